"""The last words of a command, to whoever still listens."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TextIO

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
