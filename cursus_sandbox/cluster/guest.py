"""An errand on a host that shares no folder with the run: what it reads is brought here, what it left is sent back.

FOLDER/errands/<task>~/runs/<run>/steps/…   the run's folder, as far as this errand sees it
FOLDER/errands/<task>~/given/<n>/…          what lies outside of that

The `~` has shells quote each of these paths, so that others can take their places in a script.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from cursus_sandbox.amount import Amount
from cursus_sandbox.cluster.enclosed import Enclosed, enclosed
from cursus_sandbox.cluster.host_files import HostFiles, own_folder
from cursus_sandbox.cluster.messages import Parcels
from cursus_sandbox.cluster.parcels import Packed, Parcel, packed, unpacked
from cursus_sandbox.cluster.places import Places
from cursus_sandbox.cluster.store import Store
from cursus_sandbox.pipeline.events import Observer, Progress
from cursus_sandbox.pipeline.result import StepStatus
from cursus_sandbox.pipeline.source import S3Objects
from cursus_sandbox.runs.contents import Content, sha256_of
from cursus_sandbox.runs.folders import ATTEMPT, StepFolder
from cursus_sandbox.runs.records import KeptFile
from cursus_sandbox.sagemaker.layout import StepFolders
from cursus_sandbox.steps.site import Errand
from cursus_sandbox.steps.step_run import Done
from cursus_sandbox.untrusted import remove

_END = 64 * 1024  # bytes of a log in which there are words of ours


class Guest:
    """An errand with all its paths on this host, below a folder of the host's; `errand` is the same with those."""

    def __init__(self, errand: Errand, parcels: Parcels, at: S3Objects, folder: Path) -> None:
        run, step = errand.run, errand.step
        self.home = folder.resolve() / "errands" / f"{run.task}~"
        given = [path for path in parcels if not path.is_relative_to(run.path)]
        places = {run.path: self.home / "runs" / run.name}
        places |= {path: self.home / "given" / str(number) / path.name for number, path in enumerate(given)}
        places.setdefault(run.workspace, self.home)
        self._places = Places(places)
        here = self._places.at
        self.errand = replace(
            errand,
            run=replace(run, path=here(run.path)),
            sources={channel: here(source) for channel, source in errand.sources.items()},
            step=replace(step, source_dir=here(step.source_dir)) if step.source_dir else step,
        )
        self._parcels, self._at = parcels, at
        self._files = HostFiles(own_folder(folder))

    @contextmanager
    def laid_out(self, tell: Observer, go_on: Callable[[], bool]) -> Iterator[None]:
        """Have here what it reads, as long as this is entered. MachineError, OSError, and Stopped."""
        parcels = {path: parcel for path, parcel in self._parcels.items() if parcel}
        heard = self._amount(tell, "bringing what it reads", sum(parcel.size for parcel in parcels.values()))
        try:
            with closing(Store(self._at, go_on)) as store:

                def bring(one: Packed, target: Path) -> None:
                    self._files.link(one, target, store=store, go_on=go_on, heard=heard.add)

                for path, parcel in parcels.items():
                    unpacked(parcel, self._places.at(path), bring, store.each)
            yield
        finally:
            with suppress(OSError):
                remove(self.home)

    def told(self, tell: Observer) -> Observer:
        """Who is told the same of the run's paths."""
        return lambda event: tell(self._places.value(event))

    def sent(self, done: Done, tell: Observer, go_on: Callable[[], bool]) -> tuple[Done, Enclosed[Parcel]]:
        """What came of it, with the run's paths, and the step's folder, when all that is in it is in the store."""
        folder = self.errand.run.step(self.errand.step.name)
        for attempt in folder.path.glob(f"{ATTEMPT}*"):
            with suppress(OSError):
                remove(attempt / "scratch")
        if done.left:
            with suppress(OSError):
                remove(done.left.staged)
        self._turn_back(folder)
        known = dict[Path, KeptFile]()
        if done.left and done.manifest:
            known = {done.left.outputs / name: one for name, one in done.manifest.files.items()}

        def content(file: Path) -> Content:
            if one := known.get(file):
                return Content(one.size, one.sha256)
            return Content(file.stat().st_size, sha256_of(os.fspath(file)))

        left = packed(folder.path, content)
        outputs = os.path.relpath(done.left.outputs, folder.path) if done.left else ""
        if lost := [one for one in left.behind if outputs and Path(one).is_relative_to(outputs)]:
            why = f"what it left can't be sent from its worker: {Path(*Path(lost[0]).parts[2:])} can't be read"
            done = Done(done.result.model_copy(update={"status": StepStatus.FAILED, "why": why, "outputs": {}}))
        files = {one.content.sha256: (folder.path / name, one.content) for name, one in left.files.items()}
        heard = self._amount(tell, "sending what it left", sum(content.size for _, content in files.values()))
        with closing(Store(self._at, go_on)) as store:
            store.each(lambda one: store.put(*one, heard.add), files.values())
            whole = enclosed(left, store)
        return replace(done, result=self._places.value(done.result), left=self._left(done.left)), whole

    def _left(self, left: StepFolders | None) -> StepFolders | None:
        if left is None:
            return None
        back = self._places.value
        return StepFolders(outputs=back(left.outputs), staged=back(left.staged), scratch=back(left.scratch))

    def _turn_back(self, folder: StepFolder) -> None:
        """Have our own words in the step's folder name the run's paths: its log's end, its job, its script by hand."""
        script = folder.by_hand.with_suffix(".sh")
        for file, turned in ((folder.job, self._places.json), (script, self._places.script)):
            if file.exists():
                text = file.read_text(encoding="utf-8", errors="surrogateescape")
                file.write_text(turned(text), encoding="utf-8", errors="surrogateescape")
        if folder.log.exists():
            with folder.log.open("r+b") as log:
                begins = log.seek(max(log.seek(0, os.SEEK_END) - _END, 0))
                end = log.read().decode("utf-8", "surrogateescape")
                log.seek(begins)
                log.write(self._places.text(end).encode("utf-8", "surrogateescape"))
                log.truncate()

    def _amount(self, tell: Observer, what: str, total: int) -> Amount:
        name = self.errand.step.name
        tell(Progress(what=what, step=name, done=0, total=total, in_bytes=True))
        return Amount(tell, what, step=name, total=total)
