"""The command in a container: with an engine beside it, with one in another container, and with this machine's own."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from lacking import lacking

REPOSITORY = Path(__file__).parents[2]
RUNNER, XGB = "dind:latest", "xgb:latest"
SOCKET = "/var/run/docker.sock"
SECONDS = 300
RIGHTS = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "MKNOD", "SYS_CHROOT", "NET_RAW", "DAC_READ_SEARCH", "IPC_LOCK")
# The code as it is here, over what the image was built with; an image is not built for each change.
CODE = (
    *(f"--volume={REPOSITORY}/{part}:/src/{part}:ro" for part in ("cursus_sandbox", "contracts")),
    "--env=PYTHONPATH=/src",
)
ONE_STEP = ("--image", XGB, "--engine", "docker", "--only", "DummyDataLoading")

pytestmark = [pytest.mark.docker, pytest.mark.images]


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def images() -> None:
    for image in (RUNNER, XGB):
        if not shutil.which("docker") or "Id" not in docker("image", "inspect", image, check=False):
            why = f"{image} is not in a daemon that the docker command reaches: run `make images`"
            lacking("images", why)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, on 6,000 flights."""
    copy = shutil.copytree(REPOSITORY / "examples/xgboost", tmp_path_factory.mktemp("example") / "xgboost")
    document = copy / "dag.yaml"
    text, times = re.subn(r'MAX_ROWS: "\d+"', 'MAX_ROWS: "6000"', document.read_text(encoding="utf-8"))
    assert times == 1
    document.write_text(text, encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def engine(images: None, example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a container with an engine of its own that has the image, and of the volume where its socket is."""
    name = f"cursus-sandbox-e2e-{uuid.uuid4().hex[:12]}"
    archives = tmp_path_factory.mktemp("images")
    docker("save", "--output", str(archives / "xgb.tar"), XGB)
    try:
        docker(
            *("run", "--detach", "--name", name, "--network=none", *rights(), *CODE),
            *(f"--volume={archives}:/images:ro", f"--volume={example}:/example:ro", f"--volume={name}:/run"),
            *(RUNNER, "sh", "-c", "touch /ready; exec sleep inf"),
        )
        give_up = time.monotonic() + SECONDS
        while "ready" not in docker("exec", name, "sh", "-c", "[ ! -e /ready ] || echo ready", check=False):
            if time.monotonic() > give_up or not docker("ps", "--quiet", "--filter", f"name={name}"):
                pytest.fail(docker("logs", name, check=False))
            time.sleep(0.2)
        (archives / "xgb.tar").unlink()
        yield name
    finally:
        docker("rm", "--force", "--volumes", name, check=False)
        docker("volume", "rm", name, check=False)


def rights() -> list[str]:
    """What an engine in a container needs: all, or where this machine has not all to give, these."""
    if "rc" not in docker("run", "--rm", "--privileged", "--network=none", XGB, "sh", "-c", "echo rc", check=False):
        return [*(f"--cap-add={right}" for right in RIGHTS), "--security-opt=seccomp=unconfined"]
    return ["--privileged"]


def test_the_example_inside(engine):
    """All steps of the example run on an engine in the same container, and nothing of them is left in it."""
    command = ("cursus-sandbox", "run", "/example/dag.yaml", "--image", XGB, "--engine", "docker")
    said = docker("exec", "--workdir=/tmp", engine, *command, check=False)
    assert "ok: 10 succeeded" in said, said
    assert float(re.search(r"\bauc_roc +(0\.\d+)", said)[1]) > 0.6
    count = "import docker; a = docker.from_env().api; print(len(a.containers(all=True)), a.volumes()['Volumes'] or [])"
    assert docker("exec", engine, "python3", "-c", count).split()[0] == "0"
    assert docker("exec", engine, "python3", "-c", count).split()[1:] == ["[]"]


def test_an_engine_in_another_container(engine, example):
    """Where the engine is a service in another container, which sees no file of ours, they are carried."""
    said = docker(
        *("run", "--rm", "--network=none", f"--volume={engine}:/run", f"--volume={example}:/example:ro", *CODE),
        *("--entrypoint=sh", RUNNER, "-c", run_and_show("/tmp/workspace")),
    )
    assert "ok: 1 succeeded" in said
    assert re.search(r"^left [1-9]\d* root$", said, re.MULTILINE)


def test_a_socket_of_this_machine_and_a_workspace_that_is_mounted(images, example, tmp_path):
    """With the socket mounted, paths in a mount are translated to this machine's, and steps run beside us."""
    said = docker(
        *("run", "--rm", "--network=none", f"--volume={SOCKET}:{SOCKET}", f"--volume={example}:/example:ro", *CODE),
        *(f"--volume={tmp_path}:/builds", "--hostname=chosen"),
        *("--entrypoint=sh", RUNNER, "-c", run_and_show("/builds/workspace")),
    )
    assert "ok: 1 succeeded" in said
    left = list(tmp_path.glob("workspace/runs/*/steps/DummyDataLoading/outputs/*/*"))
    assert sum(file.stat().st_size for file in left) > 0
    assert left_of(left[0].parents[4].name) == ""


def test_a_socket_of_this_machine_and_a_workspace_of_our_own(images, example):
    """With the socket mounted and a workspace that lies in no mount, files are carried."""
    said = docker(
        *("run", "--rm", "--network=none", f"--volume={SOCKET}:{SOCKET}", f"--volume={example}:/example:ro", *CODE),
        *("--entrypoint=sh", RUNNER, "-c", run_and_show("/tmp/workspace")),
    )
    assert "ok: 1 succeeded" in said
    assert re.search(r"^left [1-9]\d* root$", said, re.MULTILINE)
    assert left_of(re.search(r"runs/(\S+)", said)[1]) == ""


def run_and_show(workspace: str) -> str:
    """A line of shell that runs one step, and says how many files it left and whose they are."""
    outputs = f"{workspace}/runs/*/steps/DummyDataLoading/outputs/*"
    run = f"cursus-sandbox run /example/dag.yaml --workspace {workspace} {' '.join(ONE_STEP)}"
    return f"{run} && echo left $(ls {outputs} | wc -l) $(stat -c %U {outputs}/* | sort -u)"


def left_of(run: str) -> str:
    """The containers and volumes of a run that are still on this machine."""
    label = f"label=cursus-sandbox.run={run}"
    return docker("ps", "--all", "--quiet", "--filter", label) + docker("volume", "ls", "--quiet", "--filter", label)
