"""What CreateModel makes of model.tar.gz and of the source folder that goes with it."""

from cursus_sandbox.leaves import leaves
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.artifacts import pack
from cursus_sandbox.sagemaker.identity import JobIdentity
from cursus_sandbox.sagemaker.model import create_model


def test_a_source_folder_that_holds_the_workspace(tmp_path):
    """What is code in it goes with the model, links as links; the workspace, where the model is made, does not."""
    for name in ("serve.py", ".git/HEAD", "weights/weights.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "link.py").symlink_to("serve.py")
    made = tmp_path / "workspace/runs/1/steps/model/attempt-1/outputs/model"
    pack(leaves(tmp_path / "weights"), tmp_path / "workspace/model.tar.gz")
    step = PlannedStep(name="model", step_type="M", kind=StepKind.MODEL, source_dir=tmp_path, entry_point="serve.py")
    create_model(
        step, tmp_path / "workspace/model.tar.gz", made, JobIdentity("model", "1"), workspace=tmp_path / "workspace"
    )
    assert sorted(name for name, _ in leaves(made)) == [
        *("model.json", "model/code/link.py", "model/code/serve.py", "model/code/weights/weights.json"),
        "model/weights.json",
    ]
    assert (made / "model/code/link.py").is_symlink()
