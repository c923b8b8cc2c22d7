"""Steps that fail, and what that means for the others."""

import re
import subprocess
import threading
from pathlib import Path

import pytest
from small_pipeline import SmallPipeline, Watched, said, statuses, succeeded

from cursus_sandbox.capacity import this_machine
from cursus_sandbox.engines.engine import Exit, Why
from cursus_sandbox.errors import DocumentError

FOREVER = "print('waiting', flush=True); time.sleep(600)"


def published(small: SmallPipeline, run: Path, step: str) -> bool:
    return (run / "steps" / step / "outputs").exists()


def test_a_failure_skips_what_depends_on_it_and_nothing_else(anywhere):
    """Dependants of a failed step are skipped with the reason, theirs too; others go on; the log is kept."""
    anywhere.step("bad", "say('half'); print('about to fail', flush=True); sys.exit(7)")
    anywhere.step("after", reads={"data": "bad:out"})
    anywhere.step("after_that", reads={"data": "after:out"})
    anywhere.step("other")
    result = anywhere.run()
    bad = result.step_results["bad"]
    assert result.exit_code == 1
    assert statuses(result) == {"bad": "failed", "after": "skipped", "after_that": "skipped", "other": "succeeded"}
    assert (bad.exit_code, bad.why) == (7, "exit code 7")
    assert bad.log_end == ("about to fail",)
    assert result.step_results["after_that"].why == "it depends on 'bad', which failed"
    assert not published(anywhere, result.folder, "bad")
    assert published(anywhere, result.folder, "other")


def test_a_module_that_lies_beside_the_script(anywhere):
    """A step that misses a module of its script's folder is told that the script goes along alone, and how all does."""
    anywhere.write("scripts/helper.py", "WORD = 'helped'")
    script = "import helper; say(helper.WORD)"
    anywhere.step("alone", script)
    assert anywhere.run()["alone"].why == "exit code 1: 'helper' lies beside alone.py, which goes along alone"
    assert anywhere.said_by("alone", script, source_dir=True) == "helped"


def test_the_command_that_runs_it_by_hand(small):
    """The command that the log ends with can be pasted, whatever the workspace is called."""
    small.workspace_folder = small.folder / "a b"
    small.step("bad", "sys.exit(7)")
    log = small.run()["bad"].log.read_text()
    command = re.search("--- once more, by hand: (.*) ---\n", log)[1]
    assert subprocess.run(command, shell=True, check=False, timeout=60).returncode == 7


def test_the_message_a_step_leaves(anywhere):
    """What a step writes to /opt/ml/output/message is in its result, cut at 1024 bytes, be it well or not."""
    anywhere.step("bad", "(ML / 'output/message').write_text('no rows ' + 'é' * 2000); sys.exit(1)")
    anywhere.step("well", "(ML / 'output/message').write_text('12 rows'); say('x')")
    result = anywhere.run().step_results
    assert result["bad"].message == "no rows " + "é" * 508
    assert (str(result["well"].status), result["well"].message) == ("succeeded", "12 rows")


def test_a_message_that_cannot_be_read(small):
    """A step whose exit message is no UTF-8 has failed, as on SageMaker, and publishes nothing."""
    small.step("odd", "say('x'); (ML / 'output/message').write_bytes(b'no \\xff')")
    result = small.run()
    odd = result.step_results["odd"]
    assert (result.exit_code, str(odd.status), odd.exit_code, odd.message) == (1, "failed", 0, "no \ufffd")
    assert odd.why == "/opt/ml/output/message is not UTF-8, and SageMaker fails a job for that"
    assert not published(small, result.folder, "odd")


def test_the_reason_a_training_job_leaves(small):
    """A training job's reason is what it wrote to /opt/ml/output/failure, and only if it failed."""
    writes = "(ML / 'output/failure').write_text('bad ' * 1000); (ML / 'output/message').write_text('unread');"
    model = {"model": {"path": "/opt/ml/model"}}
    small.step("bad", writes + "sys.exit(3)", outputs=model, kind="Training")
    small.step("well", writes + "(ML / 'model/m').touch()", outputs=model, kind="Training")
    result = small.run().step_results
    assert result["bad"].message == ("bad " * 256).strip()
    assert (str(result["well"].status), result["well"].message) == ("succeeded", "")


def test_fail_fast_stops_what_runs_and_starts_no_more(anywhere):
    """With fail_fast the first failure ends the steps that run, and those that were ready stay unstarted."""
    anywhere.step("slow", FOREVER)
    anywhere.step("bad", "time.sleep(0.5); sys.exit(1)")
    anywhere.step("later")
    result = anywhere.run(fail_fast=True, jobs=2)
    assert statuses(result) == {"slow": "stopped", "bad": "failed", "later": "skipped"}
    assert result.exit_code == 1
    assert result.step_results["later"].why == "not started: step 'bad' failed"
    assert not published(anywhere, result.folder, "slow")


def test_fail_fast_after_broken_data(small):
    """Steps that are stopped because another broke its contract don't hide that: the exit code is 3."""
    small.step("slow", FOREVER)
    small.step("bad", "pass")
    result = small.run(fail_fast=True, jobs=2)
    assert statuses(result) == {"slow": "stopped", "bad": "failed"}
    assert result.exit_code == 3


def test_retries(anywhere):
    """A step that fails is run again as often as it may be, on fresh folders; its log holds every attempt."""
    anywhere.step(
        "flaky",
        "print('trying', tree(OUT), flush=True); say('half'); sys.exit(5)",
        retries={"count": 2, "backoff": 0.1},
    )
    flaky = anywhere.run().step_results["flaky"]
    assert (str(flaky.status), flaky.attempts, flaky.exit_code) == ("failed", 3, 5)
    assert flaky.log.read_text().count("trying ['out']") == 3
    assert "--- attempt 2 ended: exit code 5; once more in 0.2 s ---" in flaky.log.read_text()


def test_a_retry_that_succeeds(small):
    """A step that fails once and then succeeds has succeeded, in two attempts, and readers get the second's files."""
    given = small.write("given/first", "").parent

    def give_more(job, run):
        ended = run()
        (given / "second").touch()
        return ended

    small.step(
        "flaky", "say(json.dumps(tree(IN / 'd'))); sys.exit(len(tree(IN / 'd')) < 2)", reads={"d": "./given"}, retries=1
    )
    small.step("reader", "say((IN / 'data/said').read_text())", reads={"data": "flaky:out"})
    result = succeeded(small.run(engine=Watched(give_more))).step_results
    assert result["flaky"].attempts == 2
    assert said(result["reader"]) == '["first", "second"]'
    left = sorted(path.name for path in result["flaky"].log.parent.iterdir())
    assert left == ["attempt-1", "log.txt", "outputs", "record.json", "step.json"]


def test_a_retry_that_is_given_more_memory(small):
    """A step that is to have more memory than is free beside those that run waits for one of them to end."""
    memory = this_machine().memory
    failed, ended = threading.Event(), []

    def watch(job, run):
        if job.name == "other":
            assert failed.wait(30)
            failed.clear()
            assert not failed.wait(0.5)  # the next attempt has not begun
        try:
            return run() if job.name == "other" else Exit(137, 0.1, why=Why.OUT_OF_MEMORY)
        finally:
            ended.append(job.name)
            failed.set()

    small.step("other", resources={"memory": memory // 2})
    small.step(
        "hog",
        resources={"memory": memory // 4},
        retries={"count": 1, "on": "oom", "memory_factor": 4, "backoff": "0.01s"},
    )
    hog = small.run(engine=Watched(watch), jobs=2).step_results["hog"]
    assert ended == ["hog", "other", "hog"]
    assert hog.memory_limit == memory // 4 * 4


def test_a_timeout(anywhere):
    """A step that takes too long is ended, and the result says so."""
    anywhere.step("slow", FOREVER, timeout=1)
    result = anywhere.run()
    slow = result.step_results["slow"]
    assert (result.exit_code, str(slow.status), slow.why) == (1, "failed", "timed out after 1 s")
    assert slow.seconds < 5
    assert slow.log_end == ("waiting",)


def test_a_timeout_for_all(small):
    """The timeout given to the run holds for a step that has none of its own."""
    small.step("slow", FOREVER)
    assert small.run(timeout="1s").step_results["slow"].why == "timed out after 1 s"


def test_out_of_memory(anywhere):
    """A step that takes more memory than it may is ended, and the result says so and names the limit."""
    anywhere.step("hog", "hog = []\nwhile True: hog.append(b'x' * 1024 ** 2)", resources={"memory": "60m"})
    result = anywhere.run()
    assert result.step_results["hog"].why == "out of memory, the limit is 60 MB (exit code 137)"
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        ("os.kill(os.getpid(), 11)", "killed by SIGSEGV (exit code 139): a crash in native code"),
        ("os.execv('/nonexistent', ['x'])", "exit code 1"),
        ("os._exit(130)", "killed by SIGINT (exit code 130)"),
        ("os._exit(127)", "the command was not found (exit code 127)"),
    ],
)
def test_other_ways_to_end(small, ends, why):
    """A signal and the shell's own exit codes are said in words."""
    small.step("bad", ends)
    assert small.run().step_results["bad"].why == why


def test_what_a_step_leaves_running_is_ended(small, tmp_path):
    """A process a step leaves behind ends with it, and the run doesn't wait for it."""
    small.step("leaver", "import subprocess; subprocess.Popen(['sleep', '600']); say('x')")
    assert succeeded(small.run()).step_results["leaver"].seconds < 30


def test_an_image_that_starts_itself_needs_images(small):
    """A step without a script is its image's to start; an engine that runs none refuses it before anything starts."""
    small.step("train", outputs={"model": {"path": "/opt/ml/model"}}, kind="Training", image="x:1", start="image")
    with pytest.raises(DocumentError, match="step 'train' is started by its image, and the engine 'local' runs none"):
        small.run()
    assert not list((small.workspace / "runs").glob("*"))
