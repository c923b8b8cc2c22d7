"""What is put on disk for a job, and the word it leaves."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.sagemaker.layout import Staging, StepFolders
from cursus_sandbox.sagemaker.staging import ExitMessage, exit_message, stage


@pytest.fixture
def folders(tmp_path):
    """The folders of an attempt whose step can leave a message."""
    made = StepFolders(outputs=tmp_path / "outputs", staged=tmp_path / "staged", scratch=tmp_path / "scratch")
    made.messages.mkdir(parents=True)
    return made


def test_folders_and_texts(tmp_path):
    """Folders and texts are made with all that is above them; staging again changes nothing."""
    staging = Staging(folders=(tmp_path / "a/b",), texts={tmp_path / "c/d.json": "é\n"})
    for _ in range(2):
        stage(staging)
        assert (tmp_path / "a/b").is_dir()
        assert (tmp_path / "c/d.json").read_bytes() == "é\n".encode()


def test_links(tmp_path):
    """A file shows elsewhere without being copied; a copy is a file of its own."""
    source = tmp_path / "rows.csv"
    source.write_text("1")
    stage(Staging(links=((source, tmp_path / "in/rows.csv"),), copies=((source, tmp_path / "code/rows.csv"),)))
    assert (tmp_path / "in/rows.csv").stat().st_ino == source.stat().st_ino
    assert (tmp_path / "code/rows.csv").stat().st_ino != source.stat().st_ino
    assert (tmp_path / "code/rows.csv").read_text() == "1"


def test_link_to_a_link(tmp_path):
    """What shows of a symbolic link is the file it leads to."""
    (tmp_path / "rows.csv").write_text("1")
    (tmp_path / "link.csv").symlink_to("rows.csv")
    stage(Staging(links=((tmp_path / "link.csv", tmp_path / "in/link.csv"),)))
    assert not (tmp_path / "in/link.csv").is_symlink()
    assert (tmp_path / "in/link.csv").read_text() == "1"


SHARED_MEMORY = Path("/dev/shm")


@pytest.mark.skipif(not os.access(SHARED_MEMORY, os.W_OK), reason="needs a second file system: /dev/shm")
def test_links_over_file_systems(tmp_path):
    """Where a file system can't link to another, the file is copied."""
    with TemporaryDirectory(dir=SHARED_MEMORY) as elsewhere:
        source = Path(elsewhere, "rows.csv")
        source.write_text("1")
        stage(Staging(links=((source, tmp_path / "in/rows.csv"),)))
    assert (tmp_path / "in/rows.csv").read_text() == "1"


PROCESSING, TRAINING = StepKind.PROCESSING, StepKind.TRAINING


@pytest.mark.parametrize("failed", [False, True])
def test_a_processing_job_s_message(folders, failed):
    """A processing job's word is its message, however it ended, without the blanks around; never its failure."""
    (folders.messages / "message").write_text("  it was é\nbad \n")
    (folders.messages / "failure").write_text("unread")
    assert exit_message(PROCESSING, folders, failed=failed) == ExitMessage("it was é\nbad")


@pytest.mark.parametrize(("failed", "read"), [(True, "it was é\nbad"), (False, "")])
def test_a_training_job_s_failure(folders, failed, read):
    """A training job's word is its failure, if it failed; never its message."""
    (folders.messages / "failure").write_text("  it was é\nbad \n")
    (folders.messages / "message").write_text("unread")
    assert exit_message(TRAINING, folders, failed=failed) == ExitMessage(read)


@pytest.mark.parametrize("kind", [PROCESSING, TRAINING])
def test_no_message(folders, kind):
    """A step that writes nothing says nothing, and that is no fault."""
    assert exit_message(kind, folders, failed=True) == ExitMessage("")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"a" * 5000, "a" * 1024),
        ("é".encode() * 3000, "é" * 512),
        (b"a" + "é".encode() * 3000, "a" + "é" * 511),
        (b"aaa" + "𝄞".encode() * 3000, "aaa" + "𝄞" * 255),
        (b"a" * 1023 + b"\xc3\xa9", "a" * 1023),
        (b"a" * 1024 + b"\xff", "a" * 1024),
    ],
)
def test_long_messages(folders, written, read):
    """A message is cut after 1024 bytes; the beginning of a character there is no fault, nor what comes later."""
    (folders.messages / "message").write_bytes(written)
    assert exit_message(PROCESSING, folders, failed=False) == ExitMessage(read)


@pytest.mark.parametrize(
    ("written", "read"),
    [(b"a\xffb", "a\ufffdb"), (b"a\xc3", "a\ufffd"), (b"\xff" * 5000, "\ufffd" * 1024)],
)
def test_broken_messages(folders, written, read):
    """A message that is no UTF-8 is a fault of the job, also where it ends inside of a character."""
    (folders.messages / "message").write_bytes(written)
    assert exit_message(PROCESSING, folders, failed=False) == ExitMessage(read, readable=False)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"a" * 5000, "a" * 1024),
        ("é".encode() * 3000, "é" * 1024),
        ("𝄞".encode() * 3000, "𝄞" * 1024),
        (b"a\xffb", "a\ufffdb"),
    ],
)
def test_long_and_broken_failures(folders, written, read):
    """A failure is cut after 1024 characters, and what is no UTF-8 in it is marked."""
    (folders.messages / "failure").write_bytes(written)
    assert exit_message(TRAINING, folders, failed=True) == ExitMessage(read)


@pytest.mark.parametrize("odd", ["fifo", "link", "folder", "closed"])
def test_odd_messages(folders, tmp_path, odd):
    """What is no regular file of the step's is no message: it is neither waited for nor followed."""
    message = folders.messages / "message"
    match odd:
        case "fifo":
            os.mkfifo(message)
        case "link":
            (tmp_path / "secret").write_text("secret")
            message.symlink_to(tmp_path / "secret")
        case "folder":
            message.mkdir()
        case "closed":
            message.write_text("closed")
            message.chmod(0)
    read = "closed" if odd == "closed" and os.geteuid() == 0 else ""
    assert exit_message(PROCESSING, folders, failed=True) == ExitMessage(read)
