"""Steps that fail in every way a step can fail, and what the command makes of it."""

import pytest


def test_a_step_that_fails(box):
    """A step's own exit code is named; what depends on it is skipped, the rest goes on: 1."""
    box.step("bad", "print('about to fail', flush=True); sys.exit(7)")
    box.step("after", reads={"data": "bad:out"})
    box.step("other")
    ended = box.run(code=1)
    assert {step["step"]: step["status"] for step in ended.result["steps"]} == {
        "bad": "failed",
        "after": "skipped",
        "other": "succeeded",
    }
    assert (ended.step("bad")["exit_code"], ended.log("bad")) == (7, "about to fail\n")


def test_out_of_memory(box):
    """A step that takes more memory than it may has failed for that, and the limit is named."""
    box.step("hog", "hog = []\nwhile True: hog.append(b'x' * 1024 ** 2)", resources={"memory": "60m"})
    ended = box.run(code=1)
    assert (ended.step("hog")["exit_code"], "the limit is 60 MB" in ended.step("hog")["why"]) == (137, True)


@pytest.mark.parametrize("leaves", ["time.sleep(600)", "sys.exit(0)"])
def test_a_step_that_traps_the_end_of_its_time(box, leaves):
    """A step whose time is up has timed out, though it traps TERM: if it exits 0 then, or has to be killed."""
    box.step(
        "slow",
        f"import signal; signal.signal(signal.SIGTERM, lambda *_: {leaves})\ntime.sleep(600)",
        timeout="1s",
        grace="1s",
    )
    ended = box.run(code=1)
    assert ended.step("slow")["why"] == "timed out after 1 s"


def test_what_a_step_leaves_running(box):
    """Processes that a step leaves behind end with it, though they left its session."""
    leaves = (
        "import subprocess\nfor _ in range(3): subprocess.Popen(['sleep', '600'], start_new_session=True)\nsay('x')"
    )
    box.step("leaver", leaves)
    ended = box.run(code=0)
    assert ended.seconds < 60
