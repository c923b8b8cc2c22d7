"""What is learned of a machine is judged: each fact has its state and, where it isn't well, its remedy."""

import threading
from dataclasses import replace

import pytest

from cursus_sandbox.cli.doctor import lines
from cursus_sandbox.doctor import findings
from cursus_sandbox.doctor.findings import Extra, Finding, LocalFacts, Room, State, can_run, judged_together
from cursus_sandbox.doctor.probes import SilentError, credentials, extras, let_end, looked
from cursus_sandbox.engines.docker_survey import Left, Survey
from cursus_sandbox.engines.mounts import Private
from cursus_sandbox.errors import EngineError

SURVEY = Survey("unix:///x", "27.0", "1.47", "overlay2", "/d", "v2", "systemd", False, (), ("runc",))
AWAY = EngineError("no daemon answers", hint="Start it.")
GIB = 1024**3


def states(found):
    return {one.name: str(one.state) for one in found}


def test_an_engine_that_is_away():
    """An error of an engine is a failure with its own remedy; where another engine can run it is a warning."""
    (local,) = findings.local(EngineError("no bubblewrap", hint="pip install it."))
    assert (local.state, local.what, local.remedy) == (State.FAIL, "no bubblewrap", "pip install it.")
    docker = findings.docker(SURVEY)
    assert not can_run([local])
    assert can_run([local, *docker])
    assert judged_together([local]) == [local]
    assert states(judged_together([local, *docker]))["local engine"] == "warn"


def test_what_an_overlay_is_made_of():
    """A private input that is an overlay on the disk is well; one in memory or copied is a warning."""
    for private, state in ((Private.OVERLAY, "ok"), (Private.MEMORY_OVERLAY, "warn"), (Private.COPY, "warn")):
        assert states(findings.local(LocalFacts("bubblewrap 0.11", private)))["overlay"] == state


@pytest.mark.parametrize(
    ("changed", "name", "state"),
    [
        ({}, "docker limits", "ok"),
        ({"missing_limits": ("swap",)}, "docker limits", "ok"),
        ({"missing_limits": ("memory",)}, "docker limits", "warn"),
        ({"storage": "vfs"}, "docker storage", "warn"),
        ({"is_rootless": True}, "docker engine", "ok"),
    ],
)
def test_a_daemon(changed, name, state):
    """A daemon that can't hold steps to their limits, or copies whole images, is warned of."""
    assert states(findings.docker(replace(SURVEY, **changed)))[name] == state


@pytest.mark.parametrize(
    ("room", "state"),
    [
        (Room(20 * GIB, 1_000_000, True), "ok"),
        (Room(20 * GIB, None, True), "ok"),
        (Room(2 * GIB, 1_000_000, True), "warn"),
        (Room(20 * GIB, 100, True), "warn"),
        (Room(1024, 1_000_000, True), "fail"),
        (Room(20 * GIB, 1_000_000, False), "fail"),
        (OSError(5, "Input/output error"), "warn"),
    ],
)
def test_a_disk(room, state):
    """A disk that is nearly full, has no room for files or can't be written to is said to be."""
    assert findings.room("workspace", room).state == state


def test_what_else_there_is():
    """Files, GPUs, images, registry, credentials and extras each have words for every case."""
    assert findings.sharing(None) is None
    assert findings.sharing(False).state == "warn"
    assert findings.gpus(2, ["runc"]).state == "warn"
    assert findings.gpus(2, ["nvidia"]).state == "ok"
    assert findings.images({"xgb:latest": "a"}, ["xgb:latest"], can_build=True).remedy == "make images"
    assert findings.images({}, [], can_build=False).state == "ok"
    assert findings.registry("").state == "ok"
    assert "no such host" in findings.registry('Get "https://registry.test/v2/": dial: no such host').what
    assert "registry.test" not in findings.registry('Get "https://registry.test/v2/": dial: no such host').what
    assert "anonymous" in findings.s3("").what
    assert findings.extras([Extra("json", ()), Extra("dask", ("dask",))]).remedy.startswith(
        "pip install 'cursus-sandbox[dask]'"
    )


def test_what_dead_runs_left():
    """What is left in a workspace that nobody holds is warned of; of others it is only counted."""
    left = Left(containers={"mine": 1, "other": 2}, volumes={"mine": 1})
    mine = findings.leftovers(left, "mine", in_use=False)
    assert (mine.state, mine.remedy) == ("warn", "cursus-sandbox clean")
    assert mine.what.startswith("1 container, 1 volume of runs that were killed; 2 containers of other workspaces")
    assert findings.leftovers(left, "mine", in_use=True).state == "ok"
    assert findings.leftovers(Left(), "", in_use=False).what == "nothing of dead runs"


def test_credentials_are_never_shown(tmp_path):
    """Where credentials are is told, and nothing of what they are."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[default]\naws_access_key_id = AKIASECRET\n")
    assert credentials({}, tmp_path) == f"in {tmp_path}/.aws/credentials"
    assert (
        credentials({"AWS_ACCESS_KEY_ID": "AKIASECRET", "AWS_SECRET_ACCESS_KEY": "x"}, tmp_path) == "in the environment"
    )
    assert credentials({}, tmp_path / "nobody") == ""


def test_a_look_that_hangs():
    """A probe that never ends is said to be silent, and holds up none of the others."""
    hold = threading.Event()
    found = looked({"hung": hold.wait, "quick": lambda: 1, "wrong": lambda: 1 / 0}, seconds=0.1)
    hold.set()
    assert isinstance(found["hung"], SilentError)
    assert found["quick"] == 1
    assert isinstance(found["wrong"], ZeroDivisionError)


def test_a_look_that_takes_its_time():
    """What it has made to look with is taken away again: it is waited for, if not for ever."""
    hold, end = threading.Event(), threading.Event()

    def slow() -> None:
        hold.wait()
        end.set()

    looked({"slow": slow}, seconds=0.01)
    let_end("slow", seconds=0.01)
    assert not end.is_set()
    hold.set()
    let_end("another")
    let_end("slow")
    assert end.is_set()


def test_the_extras_of_the_package():
    """The optional parts are those that the installed package names."""
    assert "json" in [one.name for one in extras()]


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_lines(columns):
    """Each finding fits, its remedy stands below it, and colours only where they are asked for."""
    found = [Finding("docker engine", State.WARN, "no Docker daemon answers at all " * 3, "Start the daemon " * 3)]
    shown = "\n".join(lines(found, columns=columns, colour=False)).split("\n")
    assert max(map(len, shown)) <= max(columns, 24)
    assert shown[0].startswith("warn  docker")
    assert "\x1b" not in "".join(shown)
    assert next(iter(lines(found, columns=80, colour=True))).startswith("\x1b[33mwarn\x1b[0m  docker engine")
