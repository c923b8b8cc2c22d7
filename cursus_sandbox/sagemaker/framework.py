"""How a source folder is started: its requirements are installed, then its entry point runs in the folder.

Of a Processing job, the SDK's FrameworkProcessor does that in `runproc.sh` (sagemaker 2.257.7): the folder comes as
`sourcedir.tar.gz` in /opt/ml/processing/input/code and is unpacked there. Of a Training job, the sagemaker-training
toolkit does it in /opt/ml/code (5.1.4, `modules.py`, `entry_point.py`).
"""

from __future__ import annotations

import shlex

SOURCE_ARCHIVE = "sourcedir.tar.gz"
RUNPROC = "runproc.sh"
REQUIREMENTS = "requirements.txt"


def runproc(entry_point: str) -> str:
    """The script that unpacks the code, installs what it requires, and runs the entry point with its own arguments."""
    interpreter = "bash" if entry_point.endswith(".sh") else "python3"
    return f"""\
#!/bin/bash
set -e
cd /opt/ml/processing/input/code/
tar -xzf {SOURCE_ARCHIVE}
if [[ -f {REQUIREMENTS} ]]; then
    python3 -m pip install -r {REQUIREMENTS}
fi
{interpreter} {shlex.quote(entry_point)} "$@"
"""


def installing(command: tuple[str, ...]) -> tuple[str, ...]:
    """The beginning of a command that installs the requirements first; arguments are given to the command itself.

    By bash: other shells lose variables such as SM_HP_BATCH-SIZE.
    """
    return ("/bin/bash", "-c", f'python3 -m pip install -r {REQUIREMENTS} && exec "$0" "$@"', *command)
