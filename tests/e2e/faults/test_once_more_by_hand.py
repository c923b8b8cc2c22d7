"""What is told of a failed step, and the script that runs it again without us."""

import json
import re
import shlex
import subprocess
from pathlib import Path

FAILS = """
print(sorted(os.environ.items()), os.getcwd(), sys.argv[1:], flush=True)
print(json.dumps({str(path): path.read_text() for path in sorted(IN.glob('data/*'))}), flush=True)
(IN / 'data/said').write_text('overwritten')
(IN / 'data/new').write_text('new')
print(tree(OUT), tree(ML / 'output'), flush=True)
say('half')
(ML / 'output/message').write_text('no rows')
print('half of a line', end='', flush=True)
sys.exit(7)
"""


def test_a_failed_step_runs_again_by_hand(box):
    """The script of a failed step runs it as it was run, on copies: the same output and code, as often as one likes."""
    box.step("load", "say('rows')")
    box.step(
        "bad",
        FAILS,
        reads={"data": "load:out"},
        env={"WITH": "a 'quote', $HOME"},
        arguments=["--x", "a b"],
        resources={"memory": "256m", "cpus": 1},
        read_only_root=True,
    )
    ended = box.run(code=1)
    bad = ended.step("bad")
    log = ended.log("bad")
    said, closing = log.split("\n--- failed: ", 1)
    assert closing == f"exit code 7 ---\n--- once more, by hand: sh {bad['by_hand']} ---\n"
    for _ in range(2):
        again = subprocess.run(["sh", bad["by_hand"]], capture_output=True, text=True, check=False, timeout=60)
        assert (again.returncode, again.stderr) == (7, "")
        assert _without_host_name(again.stdout) == _without_host_name(said)
    assert (ended.run / "steps/load/outputs/out/said").read_text() == "rows"
    assert [path.read_text() for path in (ended.run / "steps/bad/by-hand").glob("*-out/said")] == ["half"]


def _without_host_name(text):
    return text.replace("'HOSTNAME'", "")


def test_what_is_told_of_a_failed_step(box):
    """Its exit code, message, the end of its log, its mounts and the script are in the result and in step.json."""
    box.step("load", "say('rows')")
    box.step("bad", FAILS, reads={"data": "load:out"})
    ended = box.run(code=1)
    bad = ended.step("bad")
    assert bad == json.loads((ended.run / "steps/bad/step.json").read_text())
    assert (bad["exit_code"], bad["why"], bad["message"]) == (7, "exit code 7", "no rows")
    assert bad["log_end"][-2:] == ["['out'] []", "half of a line"]
    mounts = {row["path"]: (row["mode"], row["source"]) for row in bad["mounts"]}
    assert mounts["/opt/ml/processing/input/data"] == ("private", str(ended.run / "steps/load/outputs/out"))
    assert mounts["/opt/ml/processing/output/out"][0] == "writable"
    assert mounts["/opt/ml/config"][0] == "read_only"
    text = box.run(code=1, as_json=False).stdout
    for told in ("bad: exit code 7", "its message: no rows", "half of a line", "bad/log.txt", "by hand: sh "):
        assert told in text


def test_all_that_is_known_of_a_step(box):
    """`runs show RUN:STEP` prints it: why, its attempts, its mounts, its log's end and the script; as JSON, too."""
    fails = "(ML / 'output/message').write_text('no rows'); sys.exit(7)"
    box.step("bad", fails, retries={"count": 1, "backoff": "0.1s"})
    ended = box.run(code=1)
    show = [box.command()[0], "runs", "show", f"{ended.run.name}:bad", "--workspace", str(box.workspace)]
    with box.start(command=show, as_json=False) as running:
        text = running.ended(code=0).stdout
    for told in ("bad: failed", "why        exit code 7", "attempt 1  exit code 7, after", "message    no rows"):
        assert told in text
    assert "/opt/ml/processing/output/out" in text
    assert ("exec docker run" if box.uses_docker else "bwrap") in text
    with box.start(command=show) as running:
        assert running.ended(code=0).result == ended.step("bad")
    with box.start(command=[*show[:3], ":bda", *show[4:]], as_json=False) as running:
        assert "Did you mean 'bad'?" in running.ended(code=2).stderr


def test_by_hand_with_a_network(docker_box):
    """The script of a step with a network makes it one of its own and removes it: Docker's default one isn't used."""
    says = "print(sorted(os.listdir('/sys/class/net')), flush=True); sys.exit(7)"
    docker_box.step("bad", says, network=True)
    bad = docker_box.run(code=1).step("bad")
    script = Path(bad["by_hand"]).read_text()
    (network,) = re.findall(r"--network (cursus-sandbox-by-hand-\w+)", script)
    again = subprocess.run(["sh", bad["by_hand"]], capture_output=True, text=True, check=False, timeout=60)
    assert (again.returncode, again.stdout, again.stderr) == (7, "['eth0', 'lo']\n", "")
    listed = subprocess.run(["docker", "network", "ls"], capture_output=True, text=True, check=True)
    assert network not in listed.stdout


def test_a_shell_instead_of_a_script(box, tmp_path):
    """Where no script can run a step by hand, its log says why, and all that tells of it has the command of a shell."""
    box.step("bad", "say('half'); sys.exit(7)", secrets={"TOKEN": "env:MY_TOKEN"})
    junit = tmp_path / "junit.xml"
    ended = box.run("--junit", str(junit), code=1, environment={"MY_TOKEN": "s3cr3t-0f-mine"})
    assert ended.step("bad")["by_hand"] is None
    _, why, way = ended.log("bad").splitlines()
    assert why == "--- no script runs it by hand: it would hold the step's secrets ---"
    command = f"cursus-sandbox shell {ended.run.name}:bad --workspace"
    assert way == f"--- a shell where it failed: {command} {box.workspace} ---"
    command += f" {box.workspace.relative_to(box.folder)}"
    assert f"a shell where it failed: {command}" in junit.read_text()
    there = ["--workspace", str(box.workspace)]
    page = tmp_path / "report.html"
    for said in (["runs", "show"], ["runs", "show", f"{ended.run.name}:bad"], ["report", "--output", str(page)]):
        with box.start(command=[box.command()[0], *said, *there], as_json=False) as running:
            assert command in running.ended(code=0).stdout + (page.read_text() if page.exists() else "")
    looks = [*shlex.split(command), "--", "cat", "/opt/ml/processing/output/out/said"]
    with box.start(command=[box.command()[0], *looks[1:]], as_json=False) as running:
        assert running.ended(code=0).stdout == "half"
