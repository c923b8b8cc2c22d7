"""Small real pipelines: contracts, scripts and a document in a folder, run for real."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

import cursus_sandbox
from cursus_sandbox import PipelineExecutionResult, StepExecutionResult
from cursus_sandbox.engines.engine import Engine, Exit, Job, Visitor, Watcher
from cursus_sandbox.engines.local import LocalEngine

COMMAND = str(Path(sys.executable).with_name("cursus-sandbox"))
SECONDS_AT_MOST = 30
PRELUDE = """
import json, os, sys, time
from pathlib import Path
IN, OUT, ML = Path("/opt/ml/processing/input"), Path("/opt/ml/processing/output"), Path("/opt/ml")

def say(text, channel="out", name="said"):
    (OUT / channel / name).write_text(text)

def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))

"""


@dataclass
class SmallPipeline:
    """A pipeline that grows step by step; each step has a contract and a script of its own.

    In a script, `IN`, `OUT` and `ML` are the folders of /opt/ml, `say` writes to an output and `tree` lists a folder.
    """

    folder: Path
    engine: str | Engine
    image: str | None = None
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    workspace_folder: Path | None = None

    def step(
        self,
        name: str,
        script: str = "say('well')",
        *,
        reads: Mapping[str, str] | None = None,
        inputs: Mapping[str, dict[str, Any]] | None = None,
        outputs: Mapping[str, dict[str, Any]] | None = None,
        kind: str = "Processing",
        source_dir: bool = False,
        **said: Any,
    ) -> None:
        """Add a step. `reads` pins inputs; `inputs` and `outputs` are the contract's, where they aren't the usual."""
        reads = reads or {}
        ports = {channel: {"path": f"/opt/ml/processing/input/{channel}", "required": True} for channel in reads}
        for channel, port in (inputs or {}).items():
            ports[channel] = ports.get(channel, {"path": f"/opt/ml/processing/input/{channel}"}) | port
        left = {
            channel: {"path": f"/opt/ml/processing/output/{channel}"} | port
            for channel, port in ({"out": {}} if outputs is None else outputs).items()
        }
        contract = {
            "step_type": name,
            "registry": {"sagemaker_step_type": kind},
            "contract": {
                "entry_point": f"{name}.py",
                "source_dir": source_dir,
                "inputs": ports,
                "outputs": left,
            },
        }
        self.write(f"contracts/{name}.step.yaml", yaml.safe_dump(contract, sort_keys=False))
        self.write(f"scripts/{name}.py", PRELUDE + script)
        self.steps[name] = {"inputs": dict(reads), **said}

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    @property
    def document(self) -> Path:
        content = {"name": "small", "source_dir": "scripts", "contracts": "contracts", "steps": self.steps}
        return self.write("dag.json", json.dumps(content))

    @property
    def workspace(self) -> Path:
        return self.workspace_folder or self.folder / "workspace"

    def run(self, **options: Any) -> PipelineExecutionResult:
        options = {"engine": self.engine, "image": self.image, "workspace": self.workspace} | options
        return cursus_sandbox.run(self.document, **options)

    def said_by(self, name: str, script: str, channel: str = "out", **options: Any) -> str:
        """What a step that must succeed says; the steps before it run too."""
        self.step(name, script, **options)
        return said(succeeded(self.run()).step_results[name], channel)

    def command(self, *words: str) -> list[str]:
        image = ["--image", self.image] if self.image else []
        return [
            *(COMMAND, "run", str(self.document), "--workspace", str(self.workspace)),
            *("--engine", str(self.engine), *image, *words),
        ]


class Watched:
    """The local engine, with something done around each of its runs."""

    name = "local"
    runs_images = False
    makes_mounts = True
    makes_clusters = False
    unenforced = ()

    def __init__(self, around: Callable[[Job, Callable[[], Exit]], Exit]) -> None:
        self.engine = LocalEngine.connect()
        self.around = around

    def __enter__(self) -> Self:
        self.engine.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.engine.__exit__(*error)

    def require(self, images: Iterable[str], **settings: Any) -> Mapping[str, str]:
        return self.engine.require(images, **settings)

    def run(
        self, job: Job, log: Callable[[bytes], None], visitor: Visitor | None = None, watcher: Watcher | None = None
    ) -> Exit:
        return self.around(job, lambda: self.engine.run(job, log, visitor, watcher))

    def reap(self, labels: Mapping[str, str], *, below: Path) -> None:
        self.engine.reap(labels, below=below)

    def by_hand(self, job: Job) -> str | None:
        return self.engine.by_hand(job)

    def interrupt(self) -> None:
        self.engine.interrupt()


def said(step: StepExecutionResult, channel: str = "out", name: str = "said") -> str:
    return (step.outputs[channel] / name).read_text()


def succeeded(result: PipelineExecutionResult) -> PipelineExecutionResult:
    logs = [step.log.read_text() for step in result.steps if step.log]
    assert result.success, "\n".join([*(f"{step.step}: {step.status} {step.why}" for step in result.steps), *logs])
    return result


def statuses(result: PipelineExecutionResult) -> dict[str, str]:
    return {step.step: str(step.status) for step in result.steps}


def wait_for(what: Callable[[], Any]) -> Any:
    """What a question gives once its answer is true; fails when it takes too long."""
    give_up = time.monotonic() + SECONDS_AT_MOST
    while time.monotonic() < give_up:
        if answer := what():
            return answer
        time.sleep(0.01)
    raise AssertionError(f"it did not happen within {SECONDS_AT_MOST} s")
