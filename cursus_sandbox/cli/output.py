"""The last words of a command, to whoever still listens, and files that it was told to write."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from cursus_sandbox.errors import MachineError

STDOUT = Path("-")
_GONE = (errno.EPIPE, errno.EIO)


def put(text: str, stream: TextIO) -> None:
    """Write a text. That its reader has gone away (`| head`, a closed terminal) doesn't change how the command ends."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        with suppress(OSError):  # or Python would try once more when it ends, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), stream.fileno())
        if error.errno not in _GONE:
            raise


def written(file: Path, text: str, *, option: str) -> None:
    """Write the file that an option names, stdout where it is `-`; MachineError if that can't be done."""
    if file == STDOUT:
        put(text, sys.stdout)
        return
    try:
        opened = file.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise not_written(file, error, option=option) from error
    try:
        with opened:
            opened.write(text)
    except OSError as error:
        remove_file(file)
        raise not_written(file, error, option=option) from error


def remove_file(file: Path) -> None:
    """Remove what is less than was to be written, if it is a file: a device, a pipe and a link stay."""
    with suppress(OSError):
        if stat.S_ISREG(file.lstat().st_mode):
            file.unlink()


def not_written(file: Path | str, error: OSError, *, option: str) -> MachineError:
    """That the file that an option names can't be written."""
    return MachineError(f"could not write {file}: {error.strerror or error}", hint=f"Name another:  {option} FILE")
