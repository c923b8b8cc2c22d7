"""What a step writes below /opt/ml outside of its outputs: said after the run, on every engine."""

import pytest
from small_pipeline import statuses, succeeded

STRAYS = """
(ML / "processing/outputs/out").mkdir(parents=True)
(ML / "processing/outputs/out/rows.csv").write_text("a")
(ML / "processing/outputs/out/more.csv").write_text("a")
(ML / "output/notes.txt").write_text("a")
say("well")
"""


def test_what_is_written_beside_the_outputs(anywhere):
    """Each folder with files that no output brings home is named, with the output that was meant."""
    anywhere.step("odd", STRAYS)
    odd = succeeded(anywhere.run()).step_results["odd"]
    lost = "which is in none of its outputs: SageMaker does not keep that."
    meant = "Did you mean '/opt/ml/processing/output/out'?"
    assert odd.warnings == (
        f"it wrote /opt/ml/output/notes.txt, {lost} {meant}",
        f"it wrote /opt/ml/processing/outputs/out/more.csv and 1 more beside it, {lost} {meant}",
    )


def test_what_is_written_elsewhere_below_opt_ml(anywhere):
    """Also folders of another kind of job, and those whose names are nearly an output's, are named."""
    anywhere.step("odd", "(ML / 'model').mkdir(); (ML / 'model/m').touch(); say('well')")
    script = "(ML / 'models/new').mkdir(parents=True); (ML / 'models/new/m').touch(); (ML / 'model/m').touch()"
    anywhere.step("train", script, outputs={"model": {"path": "/opt/ml/model"}}, kind="Training")
    result = succeeded(anywhere.run()).step_results
    lost = "which is in none of its outputs: SageMaker does not keep that."
    assert result["odd"].warnings == (f"it wrote /opt/ml/model/m, {lost}",)
    assert result["train"].warnings == (f"it wrote /opt/ml/models/new/m, {lost} Did you mean '/opt/ml/model'?",)


def test_the_output_that_is_empty(anywhere):
    """Where one output has stayed empty, that is the one that was meant, though another has a nearer name."""
    script = "(ML / 'processing/test/m').touch(); (ML / 'processing/text').mkdir(); (ML / 'processing/text/m').touch()"
    outputs = {name: {"path": f"/opt/ml/processing/{name}"} for name in ("test", "train")}
    anywhere.step("odd", script, outputs=outputs)
    (said,) = anywhere.run().step_results["odd"].warnings
    assert said.endswith("Did you mean '/opt/ml/processing/train', which is empty?")


def test_several_hosts(in_docker):
    """What the hosts of a job write beside the outputs is named once."""
    script = "(ML / 'outputs').mkdir(); (ML / 'outputs/m').touch(); say('well', name=os.environ.get('X', 'x'))"
    in_docker.step("odd", script, instance_count=2)
    (said,) = (one for one in succeeded(in_docker.run()).step_results["odd"].warnings if "outputs/m" in one)
    assert said.startswith("it wrote /opt/ml/outputs/m, which is in none")


def test_strict_fails_the_step(small):
    """With strict, such a step has failed, its outputs are not published, and what depends on it is skipped."""
    small.step("odd", STRAYS)
    small.step("after", reads={"data": "odd:out"})
    result = small.run(strict=True)
    assert (result.exit_code, statuses(result)) == (1, {"odd": "failed", "after": "skipped"})
    assert result.step_results["odd"].why == "it left warnings, and --strict takes them for errors"
    assert not (result.folder / "steps/odd/outputs").exists()


@pytest.mark.parametrize("kind", ["Processing", "Training"])
def test_what_is_no_stray(anywhere, kind):
    """Inputs and outputs, what is changed in them, messages, and an output that takes all there is: no word of them."""
    there = anywhere.write("given/rows.csv", "a\n1\n")
    where = {"path": "/opt/ml/input/data/data"} if kind == "Training" else {}
    out = {"path": "/opt/ml/model" if kind == "Training" else "/opt/ml/processing/output"}
    anywhere.step(
        "plain",
        f"read = Path('{where.get('path', '/opt/ml/processing/input/data')}')\n"
        f"(read / 'new').write_text('x'); (Path('{out['path']}') / 'deep').mkdir()\n"
        f"(Path('{out['path']}') / 'deep/x').write_text('x')\n"
        "(ML / 'output/message').write_text('x'); (ML / 'output/failure').write_text('x')\n",
        kind=kind,
        inputs={"data": {"required": True, **where}},
        reads={"data": str(there.parent)},
        outputs={"out": out},
    )
    assert succeeded(anywhere.run()).step_results["plain"].warnings == ()


def test_no_values_of_data(small):
    """Without values neither the summary's source, result.json, nor a step's reports hold what was in the data."""
    schema = {"out": {"fields": [{"name": "a", "type": "integer"}]}}
    small.step("rows", "say('a\\nsecret\\n', name='x.csv')", schemas=schema)
    assert "secret" in (small.run().folder / "result.json").read_text()
    kept = (small.run(values=False).folder / "result.json").read_text()
    assert "secret" not in kept
    assert "column 'a' holds a value (row 1, line 2)" in kept


def test_warnings_of_data_with_strict(small):
    """With strict, data with a warning stops its step as data that break a contract do."""
    small.step("rows", "say('\\ufeffa\\n1\\n', name='x.csv')")
    assert statuses(small.run()) == {"rows": "succeeded"}
    result = small.run(strict=True)
    assert (result.exit_code, statuses(result)) == (3, {"rows": "failed"})
