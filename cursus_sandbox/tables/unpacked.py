"""What a look into an archive sees: a training step leaves its metrics and tables in an output.tar.gz."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path, PurePosixPath

from cursus_sandbox.tables.artifacts import is_archive
from cursus_sandbox.untrusted import tar

_LARGEST = 256 << 20  # bytes of an archive that is read for a look
_LARGEST_MEMBER = 16 << 20
_MOST_MEMBERS = 1000  # looked at
_MOST_TAKEN = 20
_TABLES = (".json", ".csv", ".tsv", ".parquet")


@contextmanager
def unpacked(folder: Path) -> Iterator[Path]:
    """A folder as it is; of one that holds an archive and nothing else, a few small tables and JSON files out of it."""
    files = list(islice(folder.iterdir(), 2)) if folder.is_dir() else []
    if len(files) != 1 or not is_archive(files[0].name) or files[0].stat().st_size > _LARGEST:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="cursus-sandbox-") as name:
        with suppress(tarfile.TarError, OSError, EOFError, zlib.error, ValueError):
            _unpack(files[0], Path(name))
        yield Path(name)


def _unpack(file: Path, target: Path) -> None:
    taken = 0
    with tar(file) as archive:
        for member in islice(archive, _MOST_MEMBERS):
            path = PurePosixPath(member.name)
            safe = not path.is_absolute() and ".." not in path.parts
            if not (safe and member.isfile() and member.size <= _LARGEST_MEMBER and path.suffix in _TABLES):
                continue
            if (content := archive.extractfile(member)) is None or taken == _MOST_TAKEN:
                return
            taken += 1
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            with (target / path).open("xb") as written:
                shutil.copyfileobj(content, written)
