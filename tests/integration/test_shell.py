"""`shell`, as typed: into the sandbox of a failed step, on a real terminal and through pipes."""

import io
import os
import signal
import subprocess
import sys
import tarfile
from uuid import uuid4

import docker
import pytest
from on_terminal import Terminal
from small_pipeline import SmallPipeline, wait_for

from cursus_sandbox.runs.history import kept_run

FAILS = """
(IN / 'data/new').write_text('new')
say('half')
(ML / 'output/message').write_text('no rows')
sys.exit(3)
"""
LOOK = (
    "cd /opt/ml/processing; cat input/data/said output/out/said ../output/message; ls input/data; "
    "echo $DEPTH-$TOKEN $(cat /run/secrets/KEY); hostname; id -u"
)


@pytest.fixture
def failed(anywhere) -> SmallPipeline:
    """A pipeline of which one step has failed; its workspace."""
    anywhere.step("load", "say('rows ')")
    anywhere.step(
        "bad",
        FAILS,
        reads={"data": "load:out"},
        env={"DEPTH": "3"},
        secrets={"TOKEN": "env:HIDDEN", "KEY": {"from": "env:HIDDEN", "as": "file"}},
        read_only_root=True,
    )
    os.environ["HIDDEN"] = "very secret"
    assert not anywhere.run().success
    yield anywhere
    os.environ.pop("HIDDEN", None)


def shell(pipeline, *words, **settings):
    command = [sys.executable, "-m", "cursus_sandbox", "shell", "--workspace", str(pipeline.workspace), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **settings)


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_command_in_the_sandbox(failed):
    """It sees what the step saw and left, with its variables and secrets; its exit code is passed on."""
    ended = shell(failed, "bad", "--", "sh", "-c", f"{LOOK}; exit 9")
    assert ended.returncode == 9
    words = ended.stdout.split()
    assert words[:6] == [
        "rows",
        "halfsaid",
        "3-very",
        "secret",
        "very",
        "secret",
    ]  # its message may have held the secret: it is gone
    assert words[6:] == ["algo-1", str(os.geteuid())]
    assert ended.stderr.startswith("cat: ../output/message")


def test_what_is_done_there_is_done_nowhere_else(failed):
    """Whatever is written or deleted in the sandbox, the run's files and a second shell see nothing of it."""
    before = tree(failed.workspace / "runs")
    changes = "rm input/data/said; echo more >> output/out/said; touch output/out/new ../new; ls output/out"
    for _ in range(2):
        assert shell(failed, "bad", "--", "sh", "-c", f"cd /opt/ml/processing; {changes}").stdout.split() == [
            "new",
            "said",
        ]
    after = tree(failed.workspace / "runs")
    assert {name: after.get(name) for name in before} == before
    assert [name for name in after if name not in before and "/staged/" not in name] == []  # laid out again
    assert list((failed.workspace / "shells").iterdir()) == []


def test_a_shell_on_a_terminal(failed, tmp_path):
    """It says where one is and what to type, has the terminal's size, and gives it back as it was."""
    with Terminal("shell", "bad", "--workspace", str(failed.workspace), cwd=tmp_path, columns=130, rows=40) as terminal:
        terminal.until("its command: python3 /opt/ml/processing/input/code/bad.py")
        terminal.press(b"echo in $TERM $(cat /opt/ml/processing/output/out/said)\r")
        terminal.until("in xterm-256color half")
        terminal.press(b"python3 /opt/ml/processing/input/code/bad.py; echo ended with $?\r")
        terminal.until("ended with 3")
        terminal.press(b"exit 6\r")
        assert terminal.end() == 6
        assert "exit code 3" in terminal.text


def test_commands_through_a_pipe(failed):
    """Without a terminal the shell reads commands to their end."""
    ended = shell(failed, "last:bad", input="cat /opt/ml/processing/output/out/said; exit 4\n")
    assert (ended.returncode, ended.stdout) == (4, "half")


def test_a_secret_that_is_not_here(failed):
    """A secret that can't be read again is named, and the command runs without it."""
    del os.environ["HIDDEN"]
    ended = shell(failed, "bad", "--", "sh", "-c", "echo [$TOKEN]")
    assert ended.stdout == "[]\n"
    assert "needs the secret TOKEN (env:HIDDEN): this variable is not set; the shell opens without it" in ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["load"], "has not failed, and its sandbox is gone; what it left: "),
        (["later"], "it depends on 'bad', which failed"),
        (["bda"], "Did you mean 'bad'?"),
        (["2020:bad"], "there is no run '2020'"),
    ],
)
def test_where_there_is_no_sandbox(small, words, said):
    """A step without a sandbox to go back to: which, why, and what to type instead."""
    small.step("load")
    small.step("bad", "sys.exit(3)", reads={"data": "load:out"})
    small.step("later", reads={"data": "bad:out"})
    small.run()
    ended = shell(small, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr


def test_what_the_step_saw_is_gone(small):
    """Data that were removed since are named."""
    small.step("load", "say('rows')")
    small.step("bad", "sys.exit(3)", reads={"data": "load:out"})
    run = small.run()
    (run.folder / "steps/load/outputs").rename(small.folder / "elsewhere")
    ended = shell(small, "bad", "--", "true")
    assert ended.returncode == 4
    assert f"is not there any more: {run.folder}/steps/load/outputs/out" in ended.stderr


def test_the_process_engine_has_the_folder(tmp_path):
    """Without a sandbox the shell is in the attempt's own folder, and says so."""
    plain = SmallPipeline(tmp_path, "process")
    plain.step("bad", "def main(**_): sys.exit(3)")
    plain.run()
    ended = shell(plain, "bad", input="pwd; ls; cat staged/call.json\n")
    assert ended.returncode == 0
    assert ended.stdout.startswith(str(plain.workspace))
    assert "and you are in it: nothing is isolated here" in ended.stderr


def test_a_workspace_that_can_only_be_read(small):
    """A shell opens in a workspace that can't be written to, its own files lie elsewhere."""
    small.step("bad", "say('half'); sys.exit(3)")
    small.run()
    (small.workspace / "shells").write_text("in the way, for root may write anywhere")
    ended = shell(small, "bad", "--", "cat", "/opt/ml/processing/output/out/said")
    assert (ended.returncode, ended.stdout) == (0, "half")


@pytest.mark.docker
@pytest.mark.images
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGKILL, -9)])
def test_no_container_stays(in_docker, number, code):
    """A signal takes the container with it; what even SIGKILL left is removed by the next clean, and only that."""
    bad = f"bad-{uuid4().hex}"  # a test beside this one has its own
    in_docker.step(bad, "sys.exit(3)")
    in_docker.run()
    client = docker.from_env()

    def shells():
        return client.containers.list(
            all=True, filters={"label": ["cursus-sandbox.shell", f"cursus-sandbox.step={bad}"]}
        )

    words = ["shell", bad, "--workspace", str(in_docker.workspace), "--", "sh", "-c", "echo be''gun; sleep 600"]
    with Terminal(*words, cwd=in_docker.folder) as other, Terminal(*words, cwd=in_docker.folder) as terminal:
        other.until("begun")
        terminal.until("begun")
        assert len(shells()) == 2
        terminal.send(number)
        assert terminal.end() == code
        if number is signal.SIGKILL:
            clean = [sys.executable, "-m", "cursus_sandbox", "clean", "--workspace", str(in_docker.workspace)]
            said = subprocess.run(clean, capture_output=True, text=True, check=True).stdout
            assert said.count("a shell in the sandbox of a step was killed: what it left was removed") == 1
        assert len(shells()) == 1
        assert len(list((in_docker.workspace / "shells").iterdir())) == 1
        other.send(signal.SIGTERM)
        other.end()
    wait_for(lambda: not shells())


@pytest.mark.docker
@pytest.mark.images
def test_the_host_that_failed(in_docker):
    """Of several hosts the shell is on the one that failed, with its own configuration and what all of them left."""
    in_docker.step(
        "bad",
        "host = json.loads((ML / 'config/resourceconfig.json').read_text())['current_host']\n"
        "say(host, name=host)\n"
        "sys.exit(3 * (host == 'algo-2'))",
        instance_count=2,
    )
    in_docker.run()
    look = "hostname; cat /opt/ml/config/resourceconfig.json; ls /opt/ml/processing/output/out"
    said = shell(in_docker, "bad", "--", "sh", "-c", look)
    assert said.stdout.startswith("algo-2\n"), said.stderr
    assert '"current_host": "algo-2"' in said.stdout
    assert "algo-2" in said.stdout.splitlines()[-1]
    [result] = kept_run(in_docker.workspace, "last").result.steps
    assert result.by_hand is None


@pytest.mark.docker
@pytest.mark.images
def test_an_image_without_a_shell(in_docker, tmp_path):
    """Where the image has no shell, that is said, and what can be done; its own programs can be run."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("only-a-file"))
    client = docker.from_env()
    name = f"cursus-sandbox-test-no-shell:{tmp_path.name.lower()}"
    client.api.import_image_from_data(archive.getvalue(), *name.split(":"))
    try:
        in_docker.image = name
        in_docker.step("bad")
        in_docker.run()
        ended = shell(in_docker, "bad", stdin=subprocess.DEVNULL)
        assert (ended.returncode, ended.stdout) == (4, "")
        assert f"image '{name}' has no /bin/sh" in ended.stderr
        assert "-- COMMAND" in ended.stderr
        assert shell(in_docker, "bad", "--", "nothere").returncode == 127
    finally:
        client.images.remove(name)


def test_while_the_run_goes_on(small):
    """A step that has failed can be looked into while others of its run are still at work."""
    small.step("bad", "say('half'); sys.exit(3)")
    small.step("slow", "while not (OUT / 'out/go').exists(): time.sleep(0.02)\nsay('well')")
    with subprocess.Popen(small.command("--jobs", "2"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        runs = small.workspace / "runs"
        wait_for(
            lambda: list(runs.glob("*/steps/bad/step.json")) and list(runs.glob("*/steps/slow/attempt-1/outputs/out"))
        )
        ended = shell(small, "bad", "--", "cat", "/opt/ml/processing/output/out/said")
        assert (ended.returncode, ended.stdout) == (0, "half")
        unfinished = shell(small, "slow", "--", "true")
        assert (unfinished.returncode, "it runs" in unfinished.stderr) == (2, True)
        next(iter(runs.glob("*/steps/slow/attempt-1/outputs/out"))).joinpath("go").touch()
        assert run.wait(60) == 1


@pytest.mark.docker
@pytest.mark.images
def test_an_image_that_is_gone_or_another(in_docker, tmp_path):
    """The step's own image is used, though its name is another's by now; when it is gone, that is said."""
    client = docker.from_env()
    name = f"cursus-sandbox-test-shell:{tmp_path.name.lower()}"
    repository, _, tag = name.partition(":")
    base = client.images.get(in_docker.image)
    made = client.containers.create(base, ["-"])
    try:
        first = made.commit(repository, tag, changes="LABEL which=first")
        in_docker.image = name
        in_docker.step("bad", "sys.exit(3)")
        in_docker.run()
        second = made.commit(repository, tag, changes="LABEL which=second")
        assert shell(in_docker, "bad", "--", "echo", "well").stdout == "well\n"
        client.images.remove(first.id)
        ended = shell(in_docker, "bad", "--", "true")
        assert ended.returncode == 4
        assert f"the image that step 'bad' ran in is gone: {name}, {first.id}" in ended.stderr
    finally:
        made.remove()
        client.images.remove(second.id)
    assert kept_run(in_docker.workspace, "last").result.images == {name: first.id}
