"""Steps that leave things made to hurt whoever looks at them: no run follows, waits for, or chokes on any."""

import json
import os
import shutil

import pytest
from small_pipeline import statuses, succeeded

from cursus_sandbox.tables.mismatch import Kind

OUTPUT = "/opt/ml/processing/output/out"


def findings(step):
    return [finding for report in step.reports for finding in report.findings]


@pytest.mark.parametrize(
    ("leaves", "kinds"),
    [
        ("os.symlink('/etc/passwd', 'link.csv')", {Kind.SPECIAL_FILE}),
        ("os.symlink('/etc', 'folder')", {Kind.SPECIAL_FILE}),
        ("os.symlink('said', 'inside')", {Kind.SPECIAL_FILE}),
        ("os.mkfifo('pipe.parquet'); os.mkfifo('metrics.json')", {Kind.SPECIAL_FILE}),
        ("import socket; socket.socket(socket.AF_UNIX).bind('socket.json')", {Kind.SPECIAL_FILE}),
        ("open(b'caf\\xe9\\x1b[2J\\nx.csv', 'w').close()", {Kind.UNREADABLE}),
    ],
)
def test_what_is_no_file_fails_the_step(anywhere, leaves, kinds):
    """Links, pipes, sockets and tables of nothing end with code 3, and are named in text that any report can hold."""
    anywhere.step("odd", f"say('x'); os.chdir('{OUTPUT}'); {leaves}")
    result = anywhere.run()
    odd = result.step_results["odd"]
    assert (result.exit_code, {one.kind for one in findings(odd)}) == (3, kinds)
    assert not (result.folder / "steps/odd/outputs").exists()
    json.loads((result.folder / "result.json").read_text())


def test_folders_too_deep_to_walk(anywhere):
    """Folders nested three thousand deep in an output and in /tmp fail the step, and are gone afterwards."""
    anywhere.step(
        "odd",
        "say('x')\nfor top in ('/tmp', '" + OUTPUT + "'):\n"
        "    os.chdir(top)\n    for _ in range(3000):\n        try:\n            os.mkdir('d'); os.chdir('d')\n"
        "        except OSError:\n            break  # an overlay has an end\n",
    )
    result = anywhere.run()
    odd = result.step_results["odd"]
    assert (result.exit_code, odd.why) == (3, "it left folders nested more than 200 deep")
    assert list((result.folder / "steps/odd").glob("attempt-*/scratch/*")) == []
    shutil.rmtree(result.folder)  # recurses


def test_more_files_than_a_step_may_leave(small):
    """A limit of files holds, and can be raised for a step that needs more."""
    small.step("many", "[say('', name=str(n)) for n in range(20)]", resources={"files": 10})
    result = small.run()
    assert (result.exit_code, result.step_results["many"].why) == (
        3,
        "it left more than 10 files: pack them, or allow more:  resources: {files: …}",
    )
    small.steps["many"]["resources"] = {"files": 100}
    succeeded(small.run())


def test_a_program_that_runs_as_its_owner(anywhere):
    """A set-user-id program is an ordinary file once it is on this machine, also after a step that failed."""
    script = f"say('x', name='program'); os.chmod('{OUTPUT}/program', 0o6755)"
    anywhere.step("odd", script)
    anywhere.step("failing", script + "; sys.exit(1)")
    result = anywhere.run()
    assert statuses(result) == {"odd": "succeeded", "failing": "failed"}
    modes = [file.stat().st_mode & 0o7777 for file in (result.folder / "steps").rglob("program")]
    assert modes == [0o755, 0o755]


def test_folders_that_nobody_may_list(anywhere):
    """What a step closed is published all the same, as SageMaker uploads it."""
    anywhere.step(
        "odd",
        f"say('x'); os.mkdir('{OUTPUT}/closed'); say('x', name='closed/file'); os.chmod('{OUTPUT}/closed/file', 0)\n"
        f"os.chmod('{OUTPUT}/closed', 0); os.chmod('{OUTPUT}', 0)",
    )
    odd = succeeded(anywhere.run()).step_results["odd"]
    assert (odd.outputs["out"] / "closed/file").read_text() == "x"


def test_a_model_output_that_was_replaced_by_a_link(anywhere):
    """A folder that holds an output's mount, swapped for a link while the step runs, moves nothing out of the run."""
    outside = anywhere.folder / "outside"
    outside.mkdir()
    outside.chmod(0o777)
    anywhere.step(
        "train",
        "(ML / 'model/a/b/model.json').write_text('{}')\n"
        "try:\n    os.rename('/opt/ml/model/a', '/opt/ml/model/moved')\nexcept OSError:\n    pass\n"
        f"else:\n    os.symlink('{outside}', '/opt/ml/model/a')\n",
        kind="Training",
        outputs={"model": {"path": "/opt/ml/model/a/b"}},
    )
    result = succeeded(anywhere.run())
    assert list(outside.iterdir()) == []
    assert [one.name for one in result.step_results["train"].outputs["model"].iterdir()] == ["model.tar.gz"]


def test_links_among_checkpoints(small):
    """What a failed attempt leaves among its checkpoints comes back without links: S3 has none."""
    small.step(
        "train",
        "there = ML / 'checkpoints'\n"
        "if (there / 'one').exists():\n"
        "    (ML / 'model/seen').write_text(json.dumps(tree(there)))\n"
        "else:\n"
        "    (there / 'one').touch(); os.symlink('/etc', there / 'link'); os.mkfifo(there / 'pipe'); sys.exit(1)\n",
        kind="Training",
        outputs={"model": {"path": "/opt/ml/model"}},
        retries=1,
    )
    result = succeeded(small.run())
    assert result.step_results["train"].attempts == 2


def test_names_beside_the_outputs(anywhere):
    """Files beside the outputs, with names of any bytes, are named in a warning that can be written anywhere."""
    anywhere.step("odd", "say('x'); open(b'/opt/ml/processing/caf\\xe9\\x1b[2J', 'w').close()")
    (warning,) = succeeded(anywhere.run()).step_results["odd"].warnings
    assert "caf\\xe9" in warning
    os.fsencode(warning)
    warning.encode("utf-8")
