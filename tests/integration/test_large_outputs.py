"""Large outputs are handed on before anybody has read them; what they are is known before the run ends."""

import hashlib
import json

import pytest
from small_pipeline import SmallPipeline, statuses, succeeded

MANY = 20_000_000  # bytes: more than are read at once
SHA256 = hashlib.sha256(b"a" * MANY).hexdigest()


@pytest.fixture
def large(small) -> SmallPipeline:
    """A step that leaves a large file, and one that reads it."""
    small.step("one", f"(OUT / 'out/large').write_bytes(os.environ['LETTER'].encode() * {MANY})", env={"LETTER": "a"})
    small.step("two", "say(str((IN / 'data/large').stat().st_size))", reads={"data": "one:out"})
    return small


def record(result, step: str):
    return result.folder / "steps" / step / "record.json"


def written(result, step: str) -> dict:
    return json.loads(record(result, step).read_text())


def unread(result, **changed: str) -> None:
    """Have the large file's record as it is from when that is published until it is read."""
    content = written(result, "one") | changed
    content["files"]["out/large"]["sha256"] = ""
    record(result, "one").write_text(json.dumps(content))


def test_known_in_the_end(large):
    """When a run has ended it is known what is in a large file, and what a step came of that has read it."""
    first = succeeded(large.run())
    assert written(first, "one")["files"]["out/large"]["sha256"] == SHA256
    assert written(first, "two")["ingredients"]["input data"]["large"] == SHA256
    assert statuses(succeeded(large.run())) == {"one": "reused", "two": "reused"}


def test_waited_for_where_that_spares_a_step(large):
    """A step is taken over when one before it, run again, has left the same bytes, however many."""
    succeeded(large.run())
    assert statuses(succeeded(large.run(force=["one"]))) == {"one": "succeeded", "two": "reused"}


def test_not_taken_for_the_same(large):
    """A step runs again when one before it has left as many other bytes."""
    succeeded(large.run())
    large.steps["one"]["env"] = {"LETTER": "b"}
    again = succeeded(large.run())
    assert statuses(again) == {"one": "succeeded", "two": "succeeded"}
    assert again.step_results["two"].because == "input data changed: large"
    assert statuses(succeeded(large.run())) == {"one": "reused", "two": "reused"}


def test_a_run_that_was_killed_meanwhile(large):
    """What was published and not read before the run was killed is read by the next one, not made again."""
    unread(succeeded(large.run()))
    again = succeeded(large.run())
    assert statuses(again) == {"one": "reused", "two": "reused"}
    assert written(again, "one")["files"]["out/large"]["sha256"] == SHA256


@pytest.mark.parametrize("what", ["boot", "file"])
def test_what_nobody_can_vouch_for(large, what):
    """What was not read before the machine went down, or was changed before it was read, is made again."""
    first = succeeded(large.run())
    unread(first, **({"boot": "another"} if what == "boot" else {}))
    if what == "file":
        (first.folder / "steps/one/outputs/out/large").write_bytes(b"b" * MANY)
    again = succeeded(large.run())
    assert statuses(again) == {"one": "succeeded", "two": "reused"}
    assert again.step_results["one"].because.endswith("is damaged: out/large may have other bytes")
