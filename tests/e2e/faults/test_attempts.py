"""Steps that are tried again: after what, with what, and what is told of each attempt."""

import signal

from small_pipeline import COMMAND


def test_more_memory_after_running_out_of_it(box):
    """A step that ran out of memory is run again with more, and the result tells what came of each attempt."""
    box.step(
        "hog",
        "hog = b'x' * (100 * 1024 ** 2); time.sleep(0.3); say('well')",
        resources={"memory": "60m"},
        retries={"count": 2, "on": ["oom"], "memory_factor": 4, "backoff": "0.1s"},
    )
    ended = box.run(code=0)
    hog = ended.step("hog")
    assert (hog["status"], hog["attempts"], hog["memory_limit"]) == ("succeeded", 2, 240 << 20)
    (first,) = hog["earlier_attempts"]
    assert (first["exit_code"], first["memory_limit"]) == (137, 60 << 20)
    assert first["why"] == "out of memory, the limit is 60 MB (exit code 137)"
    assert f"attempt 1 ended: {first['why']}; once more in 0.1 s with 240 MB" in ended.log("hog")
    assert [one.name for one in (ended.run / "steps/hog").glob("attempt-*")] == ["attempt-1"]
    assert "2 attempts; before: out of" in box.run("--no-cache", code=0, as_json=False).stdout


def test_what_each_attempt_left(box):
    """What a failed attempt left is kept in a folder of its own, where the next attempt doesn't see it."""
    box.write("given/a.txt", "a")
    box.step(
        "flaky",
        "Path(IN / 'data/mine').touch(); say(str(tree(ML))); Path('/tmp/mine').touch()\nprint(tree(ML)); sys.exit(3)",
        reads={"data": "./given"},
        retries={"count": 2, "backoff": "0.1s"},
    )
    ended = box.run(code=1)
    flaky, folder = ended.step("flaky"), ended.run / "steps/flaky"
    assert [one["outputs"] for one in flaky["earlier_attempts"]] == [
        str(folder / f"attempt-{number}/outputs") for number in (1, 2)
    ]
    saw = [(folder / f"attempt-{number}/outputs/out/said").read_text() for number in (1, 2, 3)]
    assert saw[0] == saw[1] == saw[2]
    assert not list(folder.glob("attempt-*/scratch/*"))
    shown = box.run(
        command=[COMMAND, "runs", "show", "last:flaky", "--workspace", str(box.workspace)], code=0, as_json=False
    )
    assert "attempt-1/outputs" in shown.stdout


def test_others_run_while_it_waits(local_box):
    """A step that waits to be tried again leaves its place to another, however few may run at once."""
    local_box.step("bad", "sys.exit(3)", retries={"count": 3, "backoff": "50s"})
    local_box.step("other")
    with local_box.start("-j", "1") as running:
        running.wait_for_log("bad", "once more in 50 s")
        running.wait_for(lambda: list(local_box.workspace.glob("runs/*/steps/other/step.json")))
        running.process.send_signal(signal.SIGTERM)
        ended = running.ended(code=143, seconds=30)
    assert (ended.step("bad")["status"], ended.step("other")["status"]) == ("stopped", "succeeded")


def test_only_what_it_may_be_tried_again_for(local_box):
    """A failure that `on` doesn't name is the last one."""
    local_box.step("bad", "sys.exit(3)", retries={"count": 3, "on": ["oom", "timeout"]})
    bad = local_box.run(code=1).step("bad")
    assert (bad["attempts"], bad["earlier_attempts"], bad["why"]) == (1, [], "exit code 3")


def test_after_a_timeout(local_box):
    """A step whose time was up is tried again, as often as it may be; the last failure is the step's."""
    local_box.step("slow", "time.sleep(600)", timeout="0.5s", retries={"count": 1, "on": "timeout", "backoff": "0.1s"})
    slow = local_box.run(code=1).step("slow")
    assert (slow["attempts"], slow["why"]) == (2, "timed out after 0.5 s")
    assert [attempt["why"] for attempt in slow["earlier_attempts"]] == ["timed out after 0.5 s"]


def test_ctrl_c_while_it_waits(local_box):
    """Ctrl-C while a step waits to be tried again ends the run at once: 130."""
    local_box.step("bad", "sys.exit(3)", retries={"count": 3, "backoff": "50s"})
    with local_box.start() as running:
        running.wait_for_log("bad", "once more in 50 s")
        running.process.send_signal(signal.SIGINT)
        ended = running.ended(code=130, seconds=30)
    bad = ended.step("bad")
    assert (bad["status"], bad["why"], bad["attempts"]) == ("stopped", "interrupted", 1)
