"""What contains a step further, when it is asked for: in the document, and on the command line."""

import subprocess

import pytest
from small_pipeline import said, succeeded

from cursus_sandbox.errors import DocumentError, EngineError

TRIES = """
found = []
for folder in ('/', '/opt', '/usr', '/root', '/tmp', '/dev/shm', '/opt/ml/processing/output/out', os.environ['HOME']):
    try:
        Path(folder, 'x').touch()
    except OSError:
        continue
    found.append(folder)
(OUT / 'out/x').unlink(); say(' '.join(found))
"""


def test_a_root_that_cannot_be_written(anywhere):
    """With a read-only root a step writes to its own folders, /tmp and /dev/shm, and its home is one of them."""
    told = anywhere.said_by("tries", TRIES, read_only_root=True)
    assert told == "/tmp /dev/shm /opt/ml/processing/output/out /tmp"


def test_on_the_command_line(anywhere):
    """`--read-only-root` says so for all steps."""
    anywhere.step("tries", TRIES)
    ran = subprocess.run(anywhere.command("--read-only-root"), capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    (file,) = anywhere.workspace.glob("runs/*/steps/tries/outputs/out/said")
    assert file.read_text() == "/tmp /dev/shm /opt/ml/processing/output/out /tmp"


def test_a_runtime_that_is_not_there(in_docker):
    """A runtime the daemon doesn't have ends the run with code 4, and the error names those it has."""
    in_docker.step("one", runtime="gone-1")
    with pytest.raises(EngineError, match=r"has no runtime 'gone-1'; it has .*runc"):
        in_docker.run()
    ran = subprocess.run(
        in_docker.command("--runtime", "gone-2"), capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 4
    assert "gone-1" in ran.stderr  # the step's own goes before the command line's


def test_a_runtime_on_the_local_engine(small):
    """Where there are no containers a note says that the runtime is not used."""
    small.step("one", runtime="runsc")
    result = succeeded(small.run())
    assert "the local engine has no container runtimes: runsc is not used" in result.notes
    assert said(result.step_results["one"]) == "well"


def test_a_runtime_s_name(small):
    """A runtime's name is a plain word."""
    small.step("one", runtime="-x --privileged")
    with pytest.raises(DocumentError, match="runtime"):
        small.run()
