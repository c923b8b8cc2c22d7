"""What a pipeline costs beside its own work: cursus-sandbox and its peers, in turn, in one run.

    python tests/bench/peers --install      # the peers, each in an environment of its own
    python tests/bench/peers                # time them: medians and ratios
    python tests/bench/peers --shapes chain-10 --ways 'ours, docker' 'docker run' --rounds 9 --json out.json

Whole processes, by the wall clock: every round times each way once, so that what slows the machine slows them all.
Those that take long have one round in three. A way that can't be had is left out, with a word. Nothing here fails, it
prints.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shapes import SHAPES, Shape
from ways import WAYS, Way

from cursus_sandbox.engines.docker import why_absent

sys.path.append(str(Path(__file__).parents[1]))
import machine

PEERS = {
    "cwltool": ["cwltool"],
    "kfp": ["kfp", "docker"],
    "miniwdl": ["miniwdl"],
    "sagemaker": ["sagemaker<3", "moto[server]"],
}
ENVIRONMENTS = Path(".cursus-sandbox", "peers").absolute()
S3_PORT = 5977
LONGEST = 300  # seconds, of one run
NO_TELEMETRY = "SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n"
BASES = ("docker run", "bare bwrap", "SageMaker local mode")  # what the others are compared with

Rounds = list[dict[str, float]]  # of each round, the seconds of each way


def main() -> None:
    """Time what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install the peers, and do nothing else")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="where they are installed")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=60, help="no round is begun after so many")
    parser.add_argument("--json", type=Path, help="write every figure there, too")
    given = parser.parse_args()
    environments = given.environments.absolute()
    if given.install:
        install(environments)
        return
    out = {name: why for name in given.ways if (why := why_left_out(WAYS[name], environments))}
    for name, why in out.items():
        print(f"{name} is left out: {why}")
    ways = {name: WAYS[name] for name in given.ways if name not in out}
    shapes = [SHAPES[name] for name in given.shapes]
    taken: dict[str, Rounds] = {name: [] for name in given.shapes}
    until = time.monotonic() + given.minutes * 60
    before = machine.load()
    with ExitStack() as servers:
        variables = machine.variables()
        if any(way.needs_s3 for way in ways.values()):
            variables |= servers.enter_context(loopback_s3(python_of("sagemaker", environments)))
        for number in range(given.rounds):
            for shape in shapes:
                if time.monotonic() < until:
                    in_turn = {name: way for name, way in ways.items() if number % 3 == 0 or not way.heavy}
                    taken[shape.name].append(timed(shape, in_turn, environments, variables))
    for name, rounds in taken.items():
        print(table(name, rounds))
    if given.json:
        found = {"rounds": taken, "left_out": out, "peers": versions(environments)}
        machine.write(given.json, "peers", found, load=(before, machine.load()))


def install(environments: Path) -> None:
    """Install each peer in an environment of its own."""
    for peer, packages in PEERS.items():
        print(f"installing {peer} in {environments / peer}")
        subprocess.run([sys.executable, "-m", "venv", str(environments / peer)], check=True)
        subprocess.run([str(python_of(peer, environments)), "-m", "pip", "install", "--quiet", *packages], check=True)


def python_of(peer: str, environments: Path) -> Path:
    """The interpreter of a peer's environment."""
    return environments / peer / "bin" / "python"


def why_left_out(way: Way, environments: Path) -> str | None:
    """Why a way can't be had here; None where it can."""
    if way.docker and (away := why_absent()):
        return away
    if way.peer and not python_of(way.peer, environments).exists():
        return "it is not installed (python tests/bench/peers --install)"
    if way.needs_swarm and asked("docker", "info", "--format", "{{.Swarm.LocalNodeState}}") != "active":
        return "it needs a swarm, and this daemon is in none (docker swarm init)"
    if way.needs_s3 and not (shutil.which("docker-compose") or asked("docker", "compose", "version")):
        return "there is no docker compose here"
    return None


def asked(*command: str) -> str:
    """What a command says; nothing where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode else done.stdout.strip()


def timed(shape: Shape, ways: dict[str, Way], environments: Path, variables: dict[str, str]) -> dict[str, float]:
    """One round of a shape: the seconds of each way that can do it. It says which one failed."""
    taken: dict[str, float] = {}
    for name, way in ways.items():
        if shape.moves_data and not way.moves_data:
            continue
        if way.docker and not asked("docker", "image", "inspect", shape.image):
            print(f"{name} is left out of {shape.name}: there is no image {shape.image} (make images)")
            continue
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        try:
            command = way.prepare(shape, folder, python_of(way.peer, environments) if way.peer else Path())
            for what in filter(None, (name, way.again)):
                began = time.monotonic()
                done = subprocess.run(
                    command, cwd=folder, env=variables, capture_output=True, check=False, timeout=LONGEST
                )
                seconds = time.monotonic() - began
                if done.returncode:
                    print(f"{what} failed on {shape.name}: {(done.stderr or done.stdout).decode()[-600:]}")
                    break
                taken[what] = seconds
        except subprocess.TimeoutExpired:
            print(f"{name} took longer than {LONGEST} s for {shape.name}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return taken


def table(shape: str, rounds: Rounds) -> str:
    """Median seconds of each way, and their ratios to some of them, round by round."""
    bases = [base for base in BASES if any(base in one for one in rounds)]
    lines = [
        f"\n{shape:<24}{'rounds':>7}{'median s':>10}{'min':>8}{'max':>8}" + "".join(f"{'/ ' + b:>24}" for b in bases)
    ]
    for name in dict.fromkeys(name for one in rounds for name in one):
        seconds = [one[name] for one in rounds if name in one]
        row = f"{name:<24}{len(seconds):>7}{statistics.median(seconds):>10.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}"
        for base in bases:
            ratio = ratio_of(rounds, name, base)
            row += f"{'' if ratio is None else format(ratio, '.2f'):>24}"
        lines.append(row)
    return "\n".join(lines)


def ratio_of(rounds: Rounds, name: str, base: str) -> float | None:
    """The median of a way's ratio to another, over the rounds that have both."""
    ratios = [one[name] / one[base] for one in rounds if name in one and base in one]
    return statistics.median(ratios) if ratios else None


def versions(environments: Path) -> dict[str, str]:
    """The version of each peer that is installed."""
    found = {}
    for peer, packages in PEERS.items():
        if python_of(peer, environments).exists():
            program = f"import importlib.metadata as m; print(m.version({packages[0].split('<')[0]!r}))"
            found[peer] = asked(str(python_of(peer, environments)), "-c", program)
    return found


@contextmanager
def loopback_s3(python: Path) -> Iterator[dict[str, str]]:
    """An S3 on the loopback for the peer that can't do without, and the variables that lead there."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name, "config.yaml")
        config.write_text(NO_TELEMETRY)
        running = subprocess.Popen(
            [str(python.with_name("moto_server")), "-p", str(S3_PORT)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(100):
                probe = f"import socket; socket.create_connection(('127.0.0.1', {S3_PORT}))"
                if subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode == 0:
                    break
            before = left_by_compose()
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{S3_PORT}",
                "AWS_ACCESS_KEY_ID": "bench",
                "AWS_SECRET_ACCESS_KEY": "bench",
                "AWS_DEFAULT_REGION": "us-east-1",
                "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
            }
        finally:
            running.terminate()
            running.wait()
            containers, networks = (now - then for now, then in zip(left_by_compose(), before, strict=True))
            subprocess.run(["docker", "rm", *containers], capture_output=True, check=False)
            subprocess.run(["docker", "network", "rm", *networks], capture_output=True, check=False)


def left_by_compose() -> tuple[set[str], set[str]]:
    """The containers that have ended, and the networks, that local mode, which runs docker compose, did not remove."""
    of_compose = ("--filter", "label=com.docker.compose.project")
    containers = asked("docker", "ps", "-aq", *of_compose, "--filter", "status=exited")
    return set(containers.split()), set(asked("docker", "network", "ls", "-q", *of_compose).split())


if __name__ == "__main__":
    main()
