"""How a Processing job unpacks and starts a source folder: what the SDK's FrameworkProcessor puts into `runproc.sh`.

The folder comes as `sourcedir.tar.gz` in /opt/ml/processing/input/code and is unpacked there; the requirements beside
the script are installed, then it runs in that folder (sagemaker 2.257.7, `sagemaker.processing.FrameworkProcessor`).
"""

from __future__ import annotations

import shlex

SOURCE_ARCHIVE = "sourcedir.tar.gz"
RUNPROC = "runproc.sh"


def runproc(entry_point: str) -> str:
    """The script that unpacks the code, installs what it requires, and runs the entry point with its own arguments."""
    interpreter = "bash" if entry_point.endswith(".sh") else "python3"
    return f"""\
#!/bin/bash
set -e
cd /opt/ml/processing/input/code/
tar -xzf {SOURCE_ARCHIVE}
if [[ -f requirements.txt ]]; then
    python3 -m pip install -r requirements.txt
fi
{interpreter} {shlex.quote(entry_point)} "$@"
"""
