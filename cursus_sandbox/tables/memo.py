"""What was found well of files that have not changed since, so that they need not be looked into again.

A file is taken for unchanged while its name, inode, size, mtime and ctime are: ctime is the kernel's, nobody sets it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from cursus_sandbox.tables.report import DataCompatibilityReport
from cursus_sandbox.tables.schema import TableSchema

_TOO_FRESH = 100_000_000  # nanoseconds: within a clock's tick a file may change again and look the same
_KEPT = 30 * 24 * 3600  # seconds


@dataclass(frozen=True, slots=True)
class Memo:
    """Reports without errors, each in a file of a folder; what is broken is looked at, and told, again.

    Serves several threads and processes. A folder that can't be written to remembers nothing.
    """

    folder: Path

    def key(self, path: Path, schema: TableSchema | None, *asked: object) -> str | None:
        """The name of a check of these very files by this schema; None where they may still be changing."""
        try:
            files, newest = _identity(path)
        except OSError:
            return None
        if newest > time.time_ns() - _TOO_FRESH:
            return None
        rules = schema.model_dump_json() if schema is not None else ""
        return hashlib.sha256("\0".join((_checks(), rules, repr(asked), files)).encode()).hexdigest()

    def recalled(self, key: str) -> DataCompatibilityReport | None:
        """The report that was kept; its depth says when the files were looked at."""
        file = self._file(key)
        try:
            report = DataCompatibilityReport.model_validate_json(file.read_bytes())
            looked = datetime.fromtimestamp(file.stat().st_mtime).astimezone()
        except (OSError, ValueError):
            return None
        return report.model_copy(update={"depth": f"{report.depth} ({looked:%Y-%m-%d %H:%M}, unchanged since)"})

    def keep(self, key: str, report: DataCompatibilityReport) -> None:
        """Remember a report, if it has no error."""
        if not report.compatible:
            return
        beside = self.folder / f".{uuid4().hex}"
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            beside.write_text(report.model_dump_json(), encoding="utf-8")
            beside.replace(self._file(key))

    def forget(self) -> None:
        """Drop what was looked at a month ago or more."""
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.stat().st_mtime < time.time() - _KEPT:
                    Path(entry).unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def _identity(path: Path) -> tuple[str, int]:
    """All that is at or below a path, each with what changes when it does; and when the newest of it changed."""
    top = os.fspath(path)
    found = [("", path.lstat())]
    waiting = [top] if stat.S_ISDIR(found[0][1].st_mode) else []
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                found.append((entry.path[len(top) :], entry.stat(follow_symlinks=False)))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    newest = max(one.st_ctime_ns for _, one in found)
    lines = sorted(
        f"{name}\0{one.st_mode} {one.st_dev} {one.st_ino} {one.st_size} {one.st_mtime_ns} {one.st_ctime_ns}"
        for name, one in found
    )
    return os.fsencode("\0".join(lines)).decode("utf-8", "backslashreplace"), newest


@cache
def _checks() -> str:
    """The checks there are: another version of them, or of what reads the files, may find something else."""
    here = sorted((file.name, file.stat().st_mtime_ns) for file in Path(__file__).parent.glob("*.py"))
    return repr((version("pyarrow"), here))
