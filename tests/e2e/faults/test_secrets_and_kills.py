"""Secrets of steps that fail, outputs that are traps, and a run that is killed and taken up again."""

import json
import signal
from pathlib import Path

SECRET = "s3cr3t-0f-a-black-b0x"
FOREVER = "print('waiting', flush=True); time.sleep(600)"


def test_a_secret_of_a_step_that_fails(box):
    """A secret is in nothing that is printed, reported or kept, though the step says it, fails and is tried again."""
    says = (
        "print(os.environ['TOKEN'], flush=True); (ML / 'output/message').write_text(os.environ['TOKEN'])\n"
        "say(os.environ['TOKEN']); raise SystemExit('no ' + os.environ['TOKEN'])"
    )
    retries = {"count": 1, "backoff": "0.1s"}
    box.step("uses", says, secrets={"TOKEN": "env:MY_TOKEN"}, retries=retries)
    ended = box.run(code=1, environment={"MY_TOKEN": SECRET})
    uses = ended.step("uses")
    assert (uses["message"], uses["by_hand"]) == ("***", None)
    assert {"***", "no ***"} <= set(uses["log_end"])  # of two streams the daemon keeps no order
    assert SECRET not in ended.text
    left = [
        path
        for path in box.workspace.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes() and "outputs" not in path.parts
    ]
    assert left == []


def test_an_output_that_would_never_be_read(box):
    """A pipe among the outputs is refused, by name, and nobody waits for it: 3."""
    box.step("trap", "os.mkfifo(OUT / 'out/pipe'); say('x')")
    ended = box.run(code=3)
    assert ended.step("trap")["data_broken"]
    assert "pipe" in box.run(code=3, as_json=False).text


def test_a_run_that_was_killed(box):
    """After SIGKILL the next run takes what had ended, runs the rest, and leaves nothing of the dead one."""
    box.step("quick", "say('well')")
    box.step("slow", FOREVER + "\nsay('at last')", reads={"data": "quick:out"})
    with box.start() as running:
        running.wait_for_log("slow", "waiting")
        running.process.send_signal(signal.SIGKILL)
        killed = running.ended(code=-signal.SIGKILL, leaves_containers=True)
    box.step("slow", "say('at last')", reads={"data": "quick:out"})
    ended = box.run(code=0)
    assert {step["step"]: step["status"] for step in ended.result["steps"]} == {"quick": "reused", "slow": "succeeded"}
    assert not list(killed.workspace.glob("runs/*/steps/*/attempt-*"))
    assert [one.name for one in (ended.run / "steps/slow/outputs/out").iterdir()] == ["said"]


def test_a_secret_of_a_run_that_was_killed(box):
    """A secret that is a file is never in the workspace, and after SIGKILL the next run removes it from memory too."""
    box.write("key.pem", SECRET)
    secrets = {"KEY": {"from": "file:key.pem", "as": "file"}}
    box.step("slow", f"assert len(Path('/run/secrets/KEY').read_text()) == {len(SECRET)}\n" + FOREVER, secrets=secrets)

    def hidden():
        workspace = json.loads((box.workspace / "id.json").read_text())["id"]
        return [one for one in Path("/dev/shm").glob(f"cursus-sandbox-{workspace}-*/KEY") if one.read_text() == SECRET]

    with box.start() as running:
        running.wait_for_log("slow", "waiting")
        running.process.send_signal(signal.SIGKILL)
        killed = running.ended(code=-signal.SIGKILL, leaves_containers=True)
    assert hidden()
    killed.hides(SECRET)
    box.step("slow", "say('at last')", secrets=secrets)
    box.run(code=0).hides(SECRET)
    assert not hidden()
