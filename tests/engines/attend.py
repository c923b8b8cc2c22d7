"""Runs a job on this process's own terminal or pipes: `attend.py ENGINE SCRATCH IMAGE COMMAND...`."""

import sys
from pathlib import Path

from cursus_sandbox.engines.docker import DockerEngine
from cursus_sandbox.engines.engine import Job
from cursus_sandbox.engines.local import LocalEngine
from cursus_sandbox.engines.process import ProcessEngine

name, scratch, image, *command = sys.argv[1:]
engine = ProcessEngine() if name == "process" else LocalEngine.connect() if name == "local" else DockerEngine.connect()
with engine:
    job = Job(name="attended", scratch=Path(scratch), image=image or None, argv=tuple(command))
    sys.exit(engine.attended(job))
