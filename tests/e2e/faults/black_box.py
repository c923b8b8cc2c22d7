"""The installed command as a black box: it is run as a user runs it, and whatever happened, it must have behaved.

Every command that ends here has been looked at: no traceback, the exit code that was promised, valid JSON, bounded
time, memory and output, and no process, container, volume or network of its own left.

    box.step("bad", "sys.exit(3)")
    ended = box.run(code=1)                                # or box.run("--strict", code=1, prefix=["nice"])
    assert ended.step("bad")["exit_code"] == 3

    with box.start() as running:                           # to do something to it meanwhile
        running.wait_for_log("slow", "waiting")
        running.process.send_signal(signal.SIGINT)
        ended = running.ended(code=130)                    # after SIGKILL:  code=-9, leaves_containers=True
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from small_pipeline import SmallPipeline, wait_for

SECONDS = 120  # a command may take; on a machine that does much else
MEMORY = 600 * 1024**2  # bytes it may hold, without its steps
OUTPUT = 200_000  # bytes it may print
_PR_SET_CHILD_SUBREAPER = 36
_OURS = ("CURSUS_SANDBOX_", "COLUMNS", "GITHUB_ACTIONS")


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and behaved."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    memory: int
    workspace: Path

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.stdout + self.stderr

    @property
    def result(self) -> Any:
        """What it printed as JSON."""
        return json.loads(self.stdout)

    def step(self, name: str) -> Any:
        """A step's part of that."""
        return next(step for step in self.result["steps"] if step["step"] == name)

    @property
    def run(self) -> Path:
        """The folder of the newest run."""
        return runs(self.workspace)[-1]

    def log(self, step: str) -> str:
        return (self.run / "steps" / step / "log.txt").read_text(errors="replace")

    def hides(self, secret: str) -> None:
        """The secret is in nothing that it printed, and in no file's content or name of its workspace."""
        assert secret not in self.text
        found = [
            path
            for path in self.workspace.rglob("*")
            if secret in path.name
            or (path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes())
        ]
        assert found == []


@dataclass
class BlackBox(SmallPipeline):
    """A small pipeline that is run by the installed command."""

    def run(self, *words: str, code: int, as_json: bool = True, **settings: Any) -> Ended:  # type: ignore[override]
        """Run it to its end."""
        with self.start(*words, as_json=as_json, **settings) as running:
            return running.ended(code=code)

    @contextmanager
    def start(
        self,
        *words: str,
        as_json: bool = True,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        cwd: Path | None = None,
    ) -> Iterator[Running]:
        """Start it; `command` is another than `run`. What still runs when the block is left is killed."""
        line = [*prefix, *(command or self.command(*words)), *(["--json"] if as_json else [])]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        with (
            _adopting_orphans() as adopted,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
            subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd or self.folder,
                env=inherited | dict(environment or {}),
                start_new_session=True,
            ) as process,
        ):
            running = Running(self, process, stdout, stderr, adopted, as_json=as_json)
            try:
                yield running
            finally:
                process.kill()

    @property
    def uses_docker(self) -> bool:
        return self.image is not None


@dataclass
class Running:
    """A command that runs."""

    box: BlackBox
    process: subprocess.Popen[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    adopted: Adopted
    as_json: bool
    memory: int = 0
    _since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        threading.Thread(target=self._weigh, daemon=True).start()

    def wait_for_log(self, step: str, word: str) -> None:
        """Wait until a step's log holds a word; fails when the command ends before."""

        def said() -> bool:
            logs = self.box.workspace.glob(f"runs/*/steps/{step}/log.txt")
            return any(word in log.read_text(errors="replace") for log in logs)

        self.wait_for(said)

    def wait_for(self, true: Callable[[], object]) -> None:
        """Wait until something is so; fails when the command ends before."""
        wait_for(lambda: self.process.poll() is not None or true())
        assert true(), self.printed()

    def ended(self, *, code: int, seconds: float = SECONDS, leaves_containers: bool = False) -> Ended:
        """Wait for its end, and look at how it behaved. `leaves_containers` is for one that was killed."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {seconds} s: {self.printed()}") from None
        took = time.monotonic() - self._since
        stdout, stderr = (_read(stream) for stream in (self.stdout, self.stderr))
        ended = Ended(self.process.returncode, stdout, stderr, took, self.memory, self.box.workspace)
        assert ended.code == code, f"{ended.code} is not {code}: {ended.text[-5000:]}"
        assert "Traceback" not in stderr
        assert re.search(r'File "[^"]*/cursus_sandbox/', ended.text) is None  # a step's own may be in its log
        assert "bug in cursus-sandbox" not in ended.text
        assert len(ended.text) < OUTPUT
        assert ended.memory < MEMORY
        if self.as_json and stdout:
            json.loads(stdout)
        elif self.as_json:
            assert code not in {0, 1, 3}, f"no JSON: {stderr}"
        for run in runs(self.box.workspace):
            for file in (*run.glob("*.json"), *run.glob("steps/*/step.json")):
                json.loads(file.read_bytes())
        self.adopted.all_end()
        if self.box.uses_docker and not leaves_containers:
            assert left_in_docker(self.box.workspace) == []
        return ended

    def printed(self) -> str:
        """What it has printed up to now."""
        return _read(self.stdout) + _read(self.stderr)

    def _weigh(self) -> None:
        """Its own memory at its height, looked at while it runs: what its steps hold isn't counted."""
        status = Path(f"/proc/{self.process.pid}/status")
        with suppress(OSError, StopIteration):
            while self.process.returncode is None:
                lines = status.read_text().splitlines()
                self.memory = int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
                time.sleep(0.05)


def runs(workspace: Path) -> list[Path]:
    """The runs of a workspace, the newest last."""
    return sorted((workspace / "runs").glob("*/"))


def left_in_docker(workspace: Path) -> list[str]:
    """The containers, volumes and networks that carry the label of a run of this workspace."""
    found = []
    for run in runs(workspace):
        label = f"label=cursus-sandbox.run={run.name}"
        for listing in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
            words = ["docker", *listing, "--quiet", "--filter", label]
            found += subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return found


class Adopted:
    """The processes that outlived their parents, and so became this process's children."""

    def __init__(self) -> None:
        self._before = set(_children())

    def all_end(self) -> None:
        """They have ended, or do so in a moment."""
        wait_for(lambda: not self._living())

    def _living(self) -> list[int]:
        found = []
        for child in set(_children()) - self._before:
            with suppress(ChildProcessError):
                if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG) is None:
                    found.append(child)
        return found


@contextmanager
def _adopting_orphans() -> Iterator[Adopted]:
    """Whatever a command leaves running becomes a child of this process, where it can be seen (prctl(2))."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield Adopted()
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _children() -> list[int]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that has just ended
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _read(stream: IO[bytes]) -> str:
    with open(f"/proc/self/fd/{stream.fileno()}", "rb") as opened:  # noqa: PTH123 -- a position of its own
        return opened.read().decode("utf-8")
