"""What errands read is sent to a store, and what they left is brought from it: on the host of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from cursus_sandbox.amount import Amount
from cursus_sandbox.cluster.enclosed import Enclosed, enclosed, opened
from cursus_sandbox.cluster.messages import Freight, Parcels
from cursus_sandbox.cluster.parcels import Packed, Parcel, one_file, packed, unpacked
from cursus_sandbox.cluster.store import Stopped, Store
from cursus_sandbox.errors import EngineError
from cursus_sandbox.leaves import NOT_CODE
from cursus_sandbox.pipeline.events import Observer, Progress
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.pipeline.source import S3Objects
from cursus_sandbox.runs.contents import Content, Contents
from cursus_sandbox.runs.folders import ATTEMPT, StepFolder
from cursus_sandbox.runs.records import Damaged, as_they_are, kept_in, unchanged
from cursus_sandbox.steps.site import Errand
from cursus_sandbox.steps.step_run import Done
from cursus_sandbox.untrusted import remove


class Sender:
    """Sends and brings files, for several errands at once. `go_on` says whether to, of those under way."""

    def __init__(self, at: S3Objects, workspace: Path, go_on: Callable[[], bool]) -> None:
        self._at, self._workspace = at, workspace
        self._store = Store(at, go_on)
        self._contents = Contents(workspace / "cache" / "sent.json")

    def close(self) -> None:
        """Keep what was learned of files for the next run."""
        self._store.close()
        self._contents.save()

    def freight(self, errand: Errand, tell: Observer, *, all_code: bool, wanted: Callable[[], bool]) -> Freight:
        """What the errand reads, once it is in the store. With `all_code` a script may read what lies beside it.

        Stopped where it isn't wanted any more before it is.
        """
        step = errand.step
        errand.run.step(step.name)  # which shows that it was begun
        tell(Progress(what="reading what it is to be sent", step=step.name))
        parcels: Parcels = {
            source: self._packed(source) if source.exists() else None for source in errand.sources.values()
        }
        if step.source_dir is not None:
            parcels = {**parcels, step.source_dir: self._code(step, step.source_dir, everything=all_code)}
        files = {
            packed.content.sha256: (path / name, packed.content)
            for path, parcel in parcels.items()
            if parcel
            for name, packed in parcel.files.items()
        }
        heard = self._amount(tell, step, "sending what it reads", sum(content.size for _, content in files.values()))

        def put(one: tuple[Path, Content]) -> None:
            if not wanted():
                raise Stopped
            self._store.put(*one, heard.add)

        self._store.each(put, files.values())
        return Freight(self._at, enclosed(parcels, self._store))

    def brought(self, errand: Errand, done: Done, enclosed_left: Enclosed[Parcel], tell: Observer) -> Done:
        """What came of an errand, when all that it left lies in the step's folder here."""
        left = opened(enclosed_left, self._store)
        folder = errand.run.step(errand.step.name)
        heard = self._amount(tell, errand.step, "bringing what it left", left.size)

        def bring(one: Packed, target: Path) -> None:
            self._store.fetch(one.content, target, heard.add)
            target.chmod(one.mode)

        try:
            unpacked(left, folder.path, bring, self._store.each)
        except BaseException:
            for attempt in folder.path.glob(f"{ATTEMPT}*"):
                remove(attempt)
            raise
        if done.left is None or done.manifest is None:
            return done
        return replace(done, manifest=as_they_are(done.manifest, done.left.outputs))

    def _amount(self, tell: Observer, step: PlannedStep, what: str, total: int) -> Amount:
        tell(Progress(what=what, step=step.name, done=0, total=total, in_bytes=True))
        return Amount(tell, what, step=step.name, total=total)

    def _packed(self, source: Path) -> Parcel:
        known = _known(source)

        def content(file: Path) -> Content:
            return known.get(file) or self._contents.file(file)

        return _whole(packed(source, content, but_not=self._workspace), source)

    def _code(self, step: PlannedStep, folder: Path, *, everything: bool) -> Parcel | None:
        """What of a source folder a step gets."""
        name = step.entry_point
        if name is None or not (folder / name).exists():
            return None
        if step.ships_source_dir or everything:
            whole = packed(folder, self._contents.file, leave_out=NOT_CODE, but_not=self._workspace)
            return _whole(whole, folder)
        return one_file(name, folder / name, self._contents.file)


def _known(source: Path) -> Mapping[Path, Content]:
    """What is in the files of a published output, as far as its record says so: they need not be read."""
    folder = StepFolder(source.parents[1])
    try:
        kept = kept_in(folder) if source.parent == folder.outputs else None
    except Damaged:
        return {}
    return {folder.outputs / name: Content(one.size, one.sha256) for name, one in unchanged(kept)} if kept else {}


def _whole(parcel: Parcel, path: Path) -> Parcel:
    if parcel.behind:
        raise EngineError(
            f"{path / parcel.behind[0]} can't be read, and so not be sent to a worker",
            hint="Allow it to be read:  chmod u+r FILE",
        )
    return parcel
