"""The wall clock is set by days while a run goes on: durations are measured by one that nobody sets."""

import json


def test_the_clock_is_set_forward(box, clock):
    """A year passes at once for the run: a step whose time limit is an hour goes on, and took no year."""
    box.step("slow", "print('waiting', flush=True); time.sleep(2); say('well')", timeout="1h")
    box.step("after", reads={"data": "slow:out"}, retries=1)
    with box.start(environment=clock.environment) as running:
        running.wait_for_log("slow", "waiting")
        clock.set(days=400)
        ended = running.ended(code=0)
    assert {step["status"] for step in ended.result["steps"]} == {"succeeded"}
    assert all(step["seconds"] < 120 for step in ended.result["steps"])
    assert ended.result["seconds"] < 120
    years = {json.loads(line)["at"][:4] for line in (ended.run / "events.jsonl").read_text().splitlines()}
    assert len(years) > 1  # the clock was set


def test_the_clock_is_set_back(box, clock):
    """A step's time limit holds though the clock goes back by days, and so does the wait before another attempt."""
    box.step(
        "slow", "print('waiting', flush=True); time.sleep(600)", timeout="2s", retries={"count": 1, "backoff": "1s"}
    )
    with box.start(environment=clock.environment) as running:
        running.wait_for_log("slow", "waiting")
        clock.set(days=-400)
        ended = running.ended(code=1)
    slow = ended.step("slow")
    assert (slow["why"], slow["attempts"]) == ("timed out after 2 s", 2)
    assert 1 < slow["seconds"] < 60


def test_a_run_of_tomorrow(local_box, clock):
    """After a run of tomorrow the next one takes over what it left, and is the newest."""
    local_box.step("one")
    clock.set(days=1)
    first = local_box.run(code=0, environment=clock.environment)
    second = local_box.run(code=0)
    assert second.step("one")["status"] == "reused"
    assert second.result["run"] > first.result["run"]
