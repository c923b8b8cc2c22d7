"""Commands that can't be run, images that aren't there, documents that are wrong, and data that break a promise."""

import json
import signal
import uuid

import pytest

TABLE = {"fields": [{"name": "id", "type": "integer"}, {"name": "late", "type": "boolean"}]}
FOREVER = "print('waiting', flush=True); time.sleep(600)"


def test_an_image_that_is_not_there(docker_box):
    """Every image is looked for before the first step: none that lacks starts anything, and all are named: 4."""
    docker_box.step("load", "say('rows')")
    docker_box.step("bad", reads={"data": "load:out"}, image="nobody/has-this:1")
    other = f"nobody/has-{uuid.uuid4().hex}:2"
    docker_box.step("worse", reads={"data": "load:out"}, image=other)
    ended = docker_box.run(code=4)
    assert "no image 'nobody/has-this:1'" in ended.stderr
    assert f"no image '{other}'" in ended.stderr
    assert "make images" in ended.stderr
    assert not docker_box.workspace.exists()


def test_a_runtime_that_is_not_there(docker_box):
    """A container runtime of any step that the daemon lacks is found before the first step: 4."""
    docker_box.step("load", "say('rows')")
    docker_box.step("bad", reads={"data": "load:out"}, runtime="gone-1")
    ended = docker_box.run(code=4)
    assert "has no runtime 'gone-1'; it has " in ended.stderr
    assert not docker_box.workspace.exists()


def test_an_interpreter_that_is_not_there(box):
    """A script whose own commands aren't there has failed as a shell has it: 127."""
    box.step("bad", entry_point="bad.sh")
    box.write("scripts/bad.sh", "no-such-command-at-all\n")
    bad = box.run(code=1).step("bad")
    assert (bad["exit_code"], bad["why"]) == (127, "the command was not found (exit code 127)")
    assert "no-such-command-at-all" in bad["log_end"][-1]


def test_a_command_that_may_not_be_executed(box):
    """A command that is no program has failed as a shell has it: 126."""
    box.step("bad", entry_point="bad.sh")
    box.write("scripts/bad.sh", "touch /tmp/plain; exec /tmp/plain\n")
    bad = box.run(code=1).step("bad")
    assert bad["exit_code"] == 126
    assert bad["why"] == "the command could not be run: it is not executable (exit code 126)"


def test_a_script_that_is_not_there(box):
    """A script that is missing is found before anything starts: 2, and there is no workspace yet."""
    box.step("bad", entry_point="gone.py")
    ended = box.run(code=2)
    assert "gone.py, which does not exist" in ended.stderr
    assert not box.workspace.exists()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("steps: {a: {depends_on: [b]}, b: {depends_on: [a]}}", "a -> b"),
        ("steps: {a: {", "this is not YAML"),
        ("steps: [1, 2]", "a mapping is meant here"),
        ("steps: {a: {inputs: {x: 'b:y'}}}", "no step is called 'b'"),
        ("steps: {'../a': {}}", "can't be a step name"),
        ("a: &a [*a]", "alias"),
        ("", "the document is empty"),
    ],
    ids=["cycle", "cut", "list", "dangling", "dots", "itself", "empty"],
)
def test_a_document_that_is_wrong(local_box, document, said):
    """A document that is wrong ends with its problems, each with its line, before anything is made: 2."""
    file = local_box.write("dag.yaml", document)
    command = [word if word != str(local_box.document) else str(file) for word in local_box.command()]
    with local_box.start(command=command) as running:
        ended = running.ended(code=2)
    assert said in ended.stderr
    assert "dag.yaml" in ended.stderr
    assert not local_box.workspace.exists()


def test_an_output_that_is_missing(box):
    """A step that leaves its output elsewhere has broken its contract, and where the files are is said: 3."""
    box.step("bad", "(ML / 'processing/outptu').mkdir()\n(ML / 'processing/outptu/rows.csv').write_text('a\\n1\\n')")
    box.step("after", reads={"data": "bad:out"})
    ended = box.run(code=3)
    assert (ended.step("bad")["status"], ended.step("bad")["exit_code"]) == ("failed", 0)
    assert ended.step("after")["status"] == "skipped"
    assert "/opt/ml/processing/outptu/rows.csv" in " ".join(ended.step("bad")["warnings"])
    assert not (ended.run / "steps/bad/outputs").exists()


def test_data_that_break_a_schema(box):
    """Data that aren't what a reader asks for stop it before it starts, named by file and column: 3."""
    box.step("load", "say('id,when\\n1,x\\n', name='rows.csv')")
    box.step("use", reads={"data": "load:out"}, inputs={"data": {"schema": TABLE}})
    ended = box.run(code=3)
    assert ended.step("load")["status"] == "succeeded"
    use = ended.step("use")
    assert (use["status"], use["started_at"], use["data_broken"]) == ("failed", None, True)
    text = box.run(code=3, as_json=False).text
    assert "rows.csv: column 'late' is missing" in text


def test_a_half_written_output(box):
    """A step that fails half way through its output publishes nothing, and nobody reads the half."""
    box.step("bad", "say('half'); sys.exit(1)")
    box.step("after", "say(str(tree(IN)))", reads={"data": "bad:out"})
    ended = box.run(code=1)
    assert not (ended.run / "steps/bad/outputs").exists()
    assert ended.step("after")["status"] == "skipped"


def test_inputs_are_a_steps_own(box):
    """What a step writes to, deletes from or moves in its inputs is its own: no other reader sees any of it."""
    box.write("given/file", "given")
    box.step("load", "say('rows'); (OUT / 'out/deep').mkdir(); (OUT / 'out/deep/file').write_text('deep')")
    ruins = (
        "(IN / 'data/said').write_text('ruined'); (IN / 'data/deep/file').unlink(); (IN / 'data/deep').rmdir()\n"
        "(IN / 'data/new').write_text('new'); (IN / 'outside/file').rename(IN / 'outside/moved')\nsay('well')"
    )
    box.step("ruins", ruins, reads={"data": "load:out", "outside": "./given"})
    box.step(
        "reads",
        "there = [one for one in tree(IN) if 'code' not in one]\n"
        "say(json.dumps([there, (IN / 'data/said').read_text(), (IN / 'outside/file').read_text()]))",
        reads={"data": "load:out", "outside": "./given"},
        depends_on=["ruins"],
    )
    ended = box.run(code=0)
    found, said, outside = json.loads((ended.run / "steps/reads/outputs/out/said").read_text())
    assert (said, outside) == ("rows", "given")
    assert found == ["data", "data/deep", "data/deep/file", "data/said", "outside", "outside/file"]
    assert [path.name for path in (box.folder / "given").iterdir()] == ["file"]


def test_fail_fast(box):
    """With --fail-fast the first failure ends what runs beside it and starts nothing more: 1."""
    box.step("slow", FOREVER)
    box.step("bad", "time.sleep(0.5); sys.exit(1)")
    box.step("later")
    ended = box.run("--fail-fast", "--jobs", "2", code=1)
    assert {step["step"]: step["status"] for step in ended.result["steps"]} == {
        "slow": "stopped",
        "bad": "failed",
        "later": "skipped",
    }


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal(box, number, code):
    """Ctrl-C and SIGTERM end the steps, say what came of each, and leave nothing that runs: 130 and 143."""
    box.step("quick", "say('well')")
    box.step("slow", FOREVER, reads={"data": "quick:out"})
    with box.start() as running:
        running.wait_for_log("slow", "waiting")
        running.process.send_signal(number)
        ended = running.ended(code=code, seconds=60)
    assert {step["step"]: step["status"] for step in ended.result["steps"]} == {"quick": "succeeded", "slow": "stopped"}


def test_a_second_signal(box):
    """A second Ctrl-C kills what the first one asked to end: long before its grace is over."""
    box.step("deaf", "import signal; signal.signal(signal.SIGTERM, lambda *_: print('deaf', flush=True))\n" + FOREVER)
    box.steps["deaf"]["grace"] = "10m"
    with box.start() as running:
        running.wait_for_log("deaf", "waiting")
        running.process.send_signal(signal.SIGINT)
        running.wait_for_log("deaf", "deaf")
        running.process.send_signal(signal.SIGINT)
        ended = running.ended(code=130, seconds=9)
    assert ended.step("deaf")["status"] == "stopped"
