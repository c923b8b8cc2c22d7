"""Whose files a run leaves: the caller's, whoever the steps run as, and whether they went well."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from small_pipeline import SmallPipeline, statuses, wait_for

import cursus_sandbox
from cursus_sandbox import DocumentError
from cursus_sandbox.tables.reading import get_ready

get_ready()  # root's Python may be nobody else's to read, and so to import from later on

SOCKET = Path("/var/run/docker.sock")
NOBODY = 65534
LEAVES = """
import subprocess
folder = OUT / "out" / "closed"
folder.mkdir()
(folder / "secret").write_text(f"{os.getuid()}:{os.getgid()}")
(folder / "secret").chmod(0o600)
folder.chmod(0o700)
(ML / "output" / "message").write_text("told")
(ML / "output" / "message").chmod(0o600)
(IN / "first" / "new").write_text("x")
"""
USERS = [
    (None, None),
    ("root", "0:0"),
    ("image", "0:0"),
    ("4321:1234", "4321:1234"),
    ("4321", "4321:0"),
]


@pytest.fixture
def in_public(image: str) -> Iterator[SmallPipeline]:
    """A small pipeline on docker, in a folder that another user may enter and fill."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield SmallPipeline(folder, "docker", image)


def nobody() -> AbstractContextManager[None]:
    """A context in which root is an ordinary user in the group of Docker's socket; for others it is empty."""

    @contextmanager
    def context() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        groups = os.getgroups()
        os.setgroups([SOCKET.stat().st_gid])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)

    return context()


def owners(folder: Path) -> set[int]:
    return {path.lstat().st_uid for path in (folder, *folder.rglob("*"))}


@contextmanager
def myself() -> Iterator[None]:
    yield


@pytest.mark.docker
@pytest.mark.images
@pytest.mark.parametrize("caller", [myself, nobody], ids=["caller", "nobody"])
@pytest.mark.parametrize(("user", "seen"), USERS, ids=[str(user) for user, _ in USERS])
def test_what_a_step_leaves_is_the_callers(in_public, caller: Callable[[], AbstractContextManager[None]], user, seen):
    """Files of mode 600 in a closed folder, written by any user, are the caller's to read and to delete."""
    in_public.step("first")
    in_public.step("second", LEAVES, reads={"first": "first:out"}, **({"user": user} if user else {}))
    with caller():
        result = in_public.run()
        assert result.success, result
        left = result.step_results["second"].outputs["out"]
        assert (left / "closed/secret").read_text() == (seen or f"{os.geteuid()}:{os.getegid()}")
        assert result.step_results["second"].message == "told"
        assert owners(in_public.workspace) == {os.geteuid()}


@pytest.mark.docker
@pytest.mark.images
@pytest.mark.parametrize("user", ["root", "image", "4321:1234"])
def test_a_step_that_fails_leaves_nothing_of_another_user(in_public, user):
    """What a failed step of another user wrote is gone or the caller's, who is not root."""
    in_public.step("first")
    in_public.step("second", LEAVES + "sys.exit(3)", reads={"first": "first:out"}, user=user)
    with nobody():
        result = in_public.run()
        assert result.step_results["second"].exit_code == 3
        assert result.step_results["second"].message == "told"
        assert owners(in_public.workspace) == {os.geteuid()}


@pytest.mark.docker
@pytest.mark.images
def test_the_user_of_all_steps(in_public):
    """`user` of a run holds for the steps that don't say, who may install and hand over as root may."""
    script = "say(f'{os.getuid()}'); os.chown(OUT / 'out' / 'said', 77, 77); Path('/usr/local/made').write_text('x')"
    in_public.step("first", script)
    in_public.step("second", "say(f'{os.getuid()}')", user="4321")
    with nobody():
        result = in_public.run(user="root")
        said = {name: (one.outputs["out"] / "said").read_text() for name, one in result.step_results.items()}
        assert said == {"first": "0", "second": "4321"}
        assert owners(in_public.workspace) == {os.geteuid()}


@pytest.mark.docker
@pytest.mark.images
def test_what_a_killed_run_of_an_ordinary_user_leaves(in_public, tmp_path):
    """What the daemon's overlays leave of root's in a run that was killed is removed by its user's next run."""
    before = SmallPipeline(tmp_path, "docker", in_public.image)
    before.write("given/a.csv", "x\n1\n")
    before.step("slow", reads={"data": "./given"})
    before.run()
    before.run()  # both import what an ordinary user may not read in root's home
    in_public.write("given/a.csv", "x\n1\n")
    in_public.step("slow", "print('waiting', flush=True); time.sleep(600)", reads={"data": "./given"})
    child = os.fork()
    if child == 0:
        try:
            with nobody():
                in_public.run()
        finally:
            os._exit(1)  # it has not been killed
    wait_for(lambda: any("waiting" in log.read_text() for log in in_public.workspace.glob("runs/*/steps/slow/log.txt")))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    of_root = list(in_public.workspace.glob("runs/*/steps/slow/attempt-1/**/work/work"))
    assert of_root
    in_public.step("slow", reads={"data": "./given"})
    with nobody():
        assert statuses(in_public.run()) == {"slow": "succeeded"}
        assert not list(in_public.workspace.glob("runs/*/steps/*/attempt-*"))
        assert owners(in_public.workspace) == {os.geteuid()}


@pytest.mark.docker
@pytest.mark.images
def test_what_the_caller_may_not_read(in_public):
    """A script and an input of somebody else's are named before anything runs, with what to do."""
    in_public.step("first", inputs={"given": {"required": False}})
    document, shut = in_public.document, in_public.folder / "shut"
    shut.mkdir()
    cursus_sandbox.check(document, inputs={"first:given": shut})
    (in_public.folder / "scripts/first.py").chmod(0o200)
    shut.chmod(0o300)
    with nobody(), pytest.raises(DocumentError) as caught:
        cursus_sandbox.check(document, inputs={"first:given": shut})
    assert [(one.what, one.hint) for one in caught.value.problems] == [
        (
            f"{what} {path}, which can't be read: permission denied",
            f"Give yourself the right:  chmod {rights} {path}",
        )
        for what, path, rights in [
            ("input 'given' of step 'first' is", shut, "u+rx"),
            ("step 'first' runs the script", in_public.folder / "scripts/first.py", "u+r"),
        ]
    ]
