"""What a pipeline costs beside its own work: cursus-sandbox and its peers, in turn, in one run.

    python tests/bench/peers --install      # the peers, each in an environment of its own
    python tests/bench/peers                # time them: medians and ratios
    python tests/bench/peers --shapes chain-10 --ways 'ours, docker' 'docker run loop' --rounds 9 --json out.json

Whole processes, by the wall clock: every round times each way once, so that what slows the machine slows them all.
A way that can't be had is left out, with a word. Nothing here fails, it prints.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
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
from ways import IMAGE, WAYS, Way

from cursus_sandbox.engines.docker import why_absent

PEERS = {"cwltool": ["cwltool"], "kfp": ["kfp", "docker"], "sagemaker": ["sagemaker<3", "moto[server]"]}
ENVIRONMENTS = Path(".cursus-sandbox", "peers").absolute()
S3_PORT = 5977
LONGEST = 300  # seconds, of one run
NO_TELEMETRY = "SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n"


def main() -> None:
    """Time what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install the peers, and do nothing else")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every figure there, too")
    given = parser.parse_args()
    if given.install:
        install()
        return
    ways = {name: WAYS[name] for name in given.ways if there(name, WAYS[name])}
    taken = {}
    with ExitStack() as servers:
        environment = dict(os.environ)
        if any(way.needs_s3 for way in ways.values()):
            environment |= servers.enter_context(loopback_s3())
        for name in given.shapes:
            taken[name] = timed(SHAPES[name], ways, given.rounds, environment)
            print(table(name, taken[name]))
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), "seconds": taken}, indent=2) + "\n")


def install() -> None:
    """Install each peer in an environment of its own."""
    for peer, packages in PEERS.items():
        print(f"installing {peer} in {ENVIRONMENTS / peer}")
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENTS / peer)], check=True)
        subprocess.run([str(python_of(peer)), "-m", "pip", "install", "--quiet", *packages], check=True)


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment."""
    return ENVIRONMENTS / peer / "bin" / "python"


def there(name: str, way: Way) -> bool:
    """Whether a way can be had here; says why not."""
    if way.docker and (away := why_absent()):
        print(f"{name} is left out: {away}")
        return False
    if (
        way.docker
        and subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode
    ):
        print(f"{name} is left out: there is no image {IMAGE} (make images)")
        return False
    if way.peer and not python_of(way.peer).exists():
        print(f"{name} is left out: it is not installed (python tests/bench/peers --install)")
        return False
    return True


def timed(shape: Shape, ways: dict[str, Way], rounds: int, environment: dict[str, str]) -> dict[str, list[float]]:
    """The seconds of each round, by way; a way that fails is left out from there on."""
    taken: dict[str, list[float]] = {name: [] for name, way in ways.items() if way.moves_data or not shape.moves_data}
    failed: set[str] = set()
    for _ in range(rounds):
        for name in [name for name in taken if name not in failed]:
            way = ways[name]
            folder = Path(tempfile.mkdtemp(prefix="bench-"))
            try:
                command = way.prepare(shape, folder, python_of(way.peer) if way.peer else Path(sys.executable))
                for _ in range(1 + way.twice):
                    began = time.monotonic()
                    done = subprocess.run(
                        command, cwd=folder, env=environment, capture_output=True, check=False, timeout=LONGEST
                    )
                    seconds = time.monotonic() - began
                if done.returncode:
                    print(f"{name} failed on {shape.name}: {done.stderr.decode(errors='replace')[-600:]}")
                    failed.add(name)
                else:
                    taken[name].append(seconds)
            except subprocess.TimeoutExpired:
                print(f"{name} is left out of {shape.name}: it took longer than {LONGEST} s")
                failed.add(name)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    return {name: seconds for name, seconds in taken.items() if name not in failed}


def table(shape: str, taken: dict[str, list[float]]) -> str:
    """Median seconds, and their ratio to the loop of `docker run` and to bare bubblewrap, round by round."""
    lines = [f"\n{shape:<24}{'median s':>10}{'min':>8}{'max':>8}{'/ docker run':>14}{'/ bwrap':>10}"]
    for name, seconds in taken.items():
        row = f"{name:<24}{statistics.median(seconds):>10.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}"
        for base, width in (("docker run loop", 14), ("bare bwrap", 10)):
            if base in taken:
                ratio = statistics.median(a / b for a, b in zip(seconds, taken[base], strict=True))
                row += f"{ratio:>{width}.2f}"
        lines.append(row)
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """What was measured on, and with which versions."""
    versions = {}
    for peer, packages in PEERS.items():
        if python_of(peer).exists():
            package = packages[0].split("<")[0]
            program = f"import importlib.metadata as m; print(m.version({package!r}))"
            answer = subprocess.run([str(python_of(peer)), "-c", program], capture_output=True, text=True, check=True)
            versions[peer] = answer.stdout.strip()
    engine = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=False
    )
    return {
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "docker": engine.stdout.strip(),
        "peers": versions,
    }


@contextmanager
def loopback_s3() -> Iterator[dict[str, str]]:
    """An S3 on the loopback for the peer that can't do without, and the variables that lead there."""
    server = python_of("sagemaker").with_name("moto_server")
    with tempfile.TemporaryDirectory() as name:
        config = Path(name, "config.yaml")
        config.write_text(NO_TELEMETRY)
        running = subprocess.Popen(
            [str(server), "-p", str(S3_PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            for _ in range(100):
                probe = subprocess.run(
                    [sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {S3_PORT}))"],
                    capture_output=True,
                    check=False,
                )
                if probe.returncode == 0:
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
            subprocess.run(["docker", "rm", *(left_by_compose() - before)], capture_output=True, check=False)


def left_by_compose() -> set[str]:
    """The containers that have ended and that local mode, which runs them by docker compose, did not remove."""
    filters = ["--filter", "label=com.docker.compose.project", "--filter", "status=exited"]
    listed = subprocess.run(["docker", "ps", "-aq", *filters], capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


if __name__ == "__main__":
    main()
