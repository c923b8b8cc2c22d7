"""What CreateModel makes of model.tar.gz and of the source folder that goes with it."""

import io
import tarfile

import pytest

from cursus_sandbox.leaves import leaves
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.sagemaker.artifacts import pack
from cursus_sandbox.sagemaker.identity import JobIdentity
from cursus_sandbox.sagemaker.model import ModelError, create_model, unpack


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


@pytest.mark.parametrize(
    "odd", [{"path": "a\0b"}, {"linkpath": "a\0b"}, {"mtime": "nan"}, {"mtime": "inf"}, {"mtime": "1e300"}], ids=str
)
def test_members_that_no_file_can_be_made_of(tmp_path, odd):
    """A NUL in a name and a time beyond all clocks are the archive's fault, and said."""
    member = tarfile.TarInfo("odd")
    member.pax_headers = odd
    if "linkpath" in odd:
        member.type = tarfile.SYMTYPE
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO())
    with pytest.raises(ModelError, match=r"model\.tar\.gz has a member that no file can be made of: "):
        unpack(tmp_path / "model.tar.gz", tmp_path / "model")
