"""Looks into a file: what table it really is, or why it can't be read as one.

Nothing is assumed of the file: it comes from a step that may have crashed, or may be hostile. Links, pipes, sockets
and devices are never opened. A Parquet file is judged by its footer, CSV and TSV by their header and first block.
"""

from __future__ import annotations

import os
from pathlib import Path

from cursus_sandbox.tables.mismatch import Mismatch
from cursus_sandbox.tables.observed import Format, ObservedTable, special_file, table_format, unreadable
from cursus_sandbox.untrusted import opened


def get_ready() -> None:
    """Load what it takes to look into files: a fifth of a second, for who has nothing else to do."""
    from cursus_sandbox.tables import delimited, parquet  # noqa: F401, PLC0415


def observe(
    path: Path, *, file: str | None = None, nulls: tuple[str, ...] = ("",), judged: bool = True
) -> ObservedTable | Mismatch:
    """Give the table in a file, or the finding that says why there is none.

    `file` is the name it goes by in findings. `nulls` are the texts that stand for no value in CSV and TSV; unless
    `judged`, nobody asks what the text in their columns means: a table may have a hundred thousand of them.
    ValueError when the name is not that of a table (see `table_format`).
    """
    file = file or path.name
    kind = table_format(path.name)
    if kind is None:
        raise ValueError(f"{path.name!r} isn't named like a table")
    try:
        if special := special_file(path, file=file):
            return special
        with opened(path) as stream:
            if os.fstat(stream.fileno()).st_size == 0:
                return unreadable(file, "the file is empty (0 bytes)", kind=kind)
            if kind is Format.PARQUET:
                from cursus_sandbox.tables.parquet import parquet_table  # noqa: PLC0415 - pyarrow loads when needed

                return parquet_table(stream, file=file)
            from cursus_sandbox.tables.delimited import delimited_table  # noqa: PLC0415

            packed = path.name.lower().endswith(".gz")
            return delimited_table(stream, file=file, kind=kind, packed=packed, nulls=nulls if judged else None)
    except OSError as error:
        return unreadable(file, f"it can't be read: {error.strerror or error}", kind=kind)
