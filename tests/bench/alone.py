"""A program for goals.py: jobs on the local engine alone, in bare bubblewrap, or the example's scripts alone.

python tests/bench/alone.py engine|bwrap|example COUNT FOLDER
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from goals import EXAMPLE

from cursus_sandbox import api
from cursus_sandbox.engines.bwrap import bwrap_argv
from cursus_sandbox.engines.engine import Job, Mount, MountMode
from cursus_sandbox.engines.local import LocalEngine, _bubblewrap
from cursus_sandbox.engines.machine import this_machine
from cursus_sandbox.engines.mounts import Private, place
from cursus_sandbox.pipeline.source import Located, StepOutput
from cursus_sandbox.sagemaker.layout import StepFolders
from cursus_sandbox.sagemaker.script_main import main_job
from cursus_sandbox.sagemaker.staging import stage


def main() -> None:
    """Do what is asked for."""
    way, count, place_for_it = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    folder = Path(mkdtemp(dir=place_for_it))
    if way == "example":
        example(folder)
    elif way == "engine":
        with LocalEngine.connect() as engine:
            for number in range(count):
                engine.run(job(folder / str(number)), lambda _: None)
    else:
        bare(folder, count)


def job(folder: Path) -> Job:
    """A job with a folder of its own that writes one line."""
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True)
    mount = Mount(folder / "out", PurePosixPath("/opt/ml/processing/output"), MountMode.WRITABLE)
    line = "echo 1 > /opt/ml/processing/output/one.txt"
    return Job("one", folder / "scratch", entrypoint=("sh", "-c", line), mounts=(mount,))


def bare(folder: Path, count: int) -> None:
    """A loop of a shell over bubblewrap, with the options that the engine gives it."""
    lines = []
    for number in range(count):
        one, tmp, hosts = job(folder / str(number)), folder / f"{number}/scratch/tmp", folder / f"{number}/hosts"
        tmp.mkdir()
        hosts.write_text("127.0.0.1 localhost\n")
        user = (os.geteuid(), os.getegid())
        options = bwrap_argv(one, place(one, Private.COPY), this_machine(), tmp=tmp, hosts=hosts, user=user)
        lines.append(" ".join(map(_quoted, [str(_bubblewrap()), *options, "--", *one.entrypoint])))
    script = folder / "all.sh"
    script.write_text("set -e\n" + "\n".join(lines) + "\n")
    os.execvp("sh", ["sh", str(script)])


def example(folder: Path) -> None:
    """Call each script's `main` in a process of its own, in the plan's order."""
    left: dict[tuple[str, str], Path] = {}
    for step in api.plan(EXAMPLE).steps:
        outputs, staged, scratch = (folder / step.name / name for name in ("outputs", "staged", "scratch"))
        for made in (outputs, staged, scratch):
            made.mkdir(parents=True)
        sources: dict[str, Path] = {}
        for one in step.inputs:
            match one.source:
                case StepOutput(step=before, channel=channel):
                    sources[one.channel] = left[before, channel]
                case Located():
                    sources[one.channel] = Path(one.source.path)
        folders = StepFolders(outputs=outputs, staged=staged, scratch=scratch)
        call, staging = main_job(step, sources=sources, folders=folders)
        stage(staging)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        variables = dict(os.environ) | dict(call.environment) | {"PATH": path}
        subprocess.run([*call.entrypoint, *call.argv], check=True, env=variables, cwd=scratch)
        left |= {(step.name, one.channel): outputs / one.channel for one in step.outputs}


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


if __name__ == "__main__":
    main()
