"""The last words of a command, to whoever still listens."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TextIO


def put(text: str, stream: TextIO) -> None:
    """Write a text. That its reader has gone away (`| head`, a closed terminal) doesn't change how the command ends."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        with suppress(OSError):  # or Python would try once more when it ends, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), stream.fileno())
