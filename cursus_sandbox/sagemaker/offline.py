"""What keeps `pip install` from waiting for a network that a step doesn't have: one file of pip's own settings.

pip takes it from /etc, or where a sandbox's /etc is the machine's, from the home folder. With it, a requirement that is
met is a line in the log, and one that isn't an error at once; nothing of it shows in the step's environment.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

PIP_OF_IMAGE = PurePosixPath("/etc/pip.conf")
PIP_OF_HOME = PurePosixPath("/tmp/.config/pip/pip.conf")  # noqa: S108 - the home of a sandbox, its own
OFFLINE = "[global]\nno-index = true\nretries = 0\ndisable-pip-version-check = true\n"

_NOT_FOUND = re.compile(rb"No matching distribution found for ([^\r\n]{1,200})")


def pip_failure(log: bytes) -> str | None:
    """What pip could not install, in words, if the log of a step without a network says so."""
    found = _NOT_FOUND.search(log)
    if found is None:
        return None
    wanted = found[1].decode("utf-8", "replace").strip()
    return f"pip could not install {wanted}: it is not in the image, and the step has no network (--network bridge)"
