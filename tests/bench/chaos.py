"""Runs that are killed outright at random moments and picked up again: nothing is lost, done twice, or left behind.

    python tests/bench/chaos.py --runs 100
    python tests/bench/chaos.py --runs 10 --engine docker

Each run has the shape of the example's pipeline, with cheap steps, in a workspace of its own. It is killed (SIGKILL)
a random moment after a random line of what it writes down while it goes on, or before the first of them, now and then a
second and a third time, and then let go on to its end. Held are: the bytes are those of a run that nobody disturbed; no
step runs again whose outputs were published; and of the killed runs no container, volume, network, process or half-done
attempt is there any more. Ends with 1 where one of these isn't so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path

COMMAND = Path(sys.executable).with_name("cursus-sandbox")
EXAMPLE = Path(__file__).parents[2] / "examples/xgboost/dag.yaml"
AGAIN = 0.3  # of the runs that were killed once, so many are killed once more
AT_THE_START = 0.2  # of the kills, so many come before anything has begun
SECONDS_TO_DIE = 20
SCRIPT = """
cat /opt/ml/processing/input/*/said 2>/dev/null > /opt/ml/processing/output/out/said
echo "$2" >> /opt/ml/processing/output/out/said
head -c 300000 /dev/zero > /opt/ml/processing/output/out/zeros
mkdir -p /opt/ml/processing/output/out/deep/folder
for one in /opt/ml/processing/input/*/said; do rm -f "$one"; done
sleep 0.05
"""


def shape() -> dict[str, list[str]]:
    """What each step of the example waits for."""
    plan = [COMMAND, "plan", EXAMPLE, "--json"]
    read = json.loads(subprocess.run(plan, capture_output=True, text=True, check=True).stdout)
    return {step: read["dependencies"][step] for step in read["execution_order"]}


def pipeline(folder: Path, mark: str) -> Path:
    """A pipeline of that shape; the command line of each of its processes holds a word."""
    steps = {}
    for number, (step, before) in enumerate(shape().items()):
        reads = {f"from_{other}": f"{other}:out" for other in before}
        ports = "".join(f"    {one}: {{path: /opt/ml/processing/input/{one}}}\n" for one in reads)
        (folder / f"Chaos{number}.step.yaml").write_text(
            f"step_type: Chaos{number}\nregistry: {{sagemaker_step_type: Processing}}\ncontract:\n"
            f"  entry_point: chaos.sh\n  inputs:{' {}' if not ports else ''}\n{ports}"
            "  outputs:\n    out: {path: /opt/ml/processing/output/out}\n"
        )
        steps[step] = {"contract": f"Chaos{number}", "inputs": reads, "arguments": [mark, step]}
    (folder / "chaos.sh").write_text(SCRIPT)
    document = folder / "dag.json"
    document.write_text(json.dumps({"name": "chaos", "source_dir": ".", "contracts": ".", "steps": steps}))
    return document


class Chaos:
    """A pipeline to be run and killed, on one engine."""

    def __init__(self, folder: Path, engine: str, image: str | None) -> None:
        self.folder, self.engine, self.image = folder, engine, image
        self.mark = f"chaos-{folder.name}"
        self.document = pipeline(folder, self.mark)
        before = time.monotonic()
        self.told(folder / "undisturbed")
        self.seconds = time.monotonic() - before
        self.expected = self.bytes_of(folder / "undisturbed")
        self.lines = self.written(folder / "undisturbed", ())
        self.kills = 0

    def command(self, workspace: Path) -> list[str]:
        image = ["--image", self.image] if self.image else []
        return [
            *(str(COMMAND), "run", str(self.document), "--workspace", str(workspace), "--json"),
            *("--engine", self.engine, *image),
        ]

    def told(self, workspace: Path) -> dict:
        """What a run says that is let go on to its end."""
        done = subprocess.run(self.command(workspace), capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"exit code {done.returncode}: {done.stderr[-3000:]}")
        return json.loads(done.stdout)

    def disturbed(self, seed: int) -> Counter[str]:
        """Kill a run and let it go on; gives how many steps were taken over and how many ran in the end."""
        chance = random.Random(seed)
        workspace = self.folder / f"seed-{seed}"
        published = self.killed(workspace, chance)
        while chance.random() < AGAIN:
            published |= self.killed(workspace, chance)
        result = self.told(workspace)
        ended = {step["step"]: step["status"] for step in result["steps"]}
        twice = {step["step"]: step["because"] for step in result["steps"] if step["step"] in published}
        twice = {step: because for step, because in twice.items() if ended[step] != "reused"}
        assert not twice, f"{twice} ran again"
        assert self.bytes_of(workspace) == self.expected, "other bytes"
        assert not (left := self.left(workspace)), f"left behind: {left}"
        shutil.rmtree(workspace)
        return Counter(ended.values())

    def killed(self, workspace: Path, chance: random.Random) -> set[str]:
        """The steps that had published their outputs when a run was killed."""
        earlier = [run.name for run in workspace.glob("runs/*")]
        at_the_start = chance.random() < AT_THE_START
        line = 0 if at_the_start else chance.randint(1, self.lines)
        pause = chance.uniform(0, self.seconds / 4 if at_the_start else 0.1)
        with subprocess.Popen(
            self.command(workspace), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as running:
            while running.poll() is None and self.written(workspace, earlier) < line:
                time.sleep(0.001)
            try:
                running.wait(pause)
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                self.kills += 1
        return {folder.parent.name for folder in workspace.glob("runs/*/steps/*/outputs")}

    def written(self, workspace: Path, earlier: Collection[str]) -> int:
        """How many lines the journal of a run has that is none of the earlier ones."""
        journals = [run / "events.jsonl" for run in workspace.glob("runs/*") if run.name not in earlier]
        return sum(journal.read_bytes().count(b"\n") for journal in journals if journal.exists())

    def bytes_of(self, workspace: Path) -> dict[str, str]:
        """Each file that the newest run's steps left, and what is in it."""
        steps = max(workspace.glob("runs/*")) / "steps"
        left = {str(one.relative_to(steps)): one for one in sorted(steps.glob("*/outputs/**/*"))}
        return {
            name: hashlib.sha256(one.read_bytes()).hexdigest() if one.is_file() else "folder"
            for name, one in left.items()
        }

    def left(self, workspace: Path) -> list[str]:
        """What is left of killed runs."""
        found = [str(one.relative_to(workspace)) for one in workspace.glob("runs/*/steps/*/attempt-*")]
        found += [str(one.relative_to(workspace)) for one in workspace.glob("unfinished.json")]
        give_up = time.monotonic() + SECONDS_TO_DIE
        while (processes := self.processes()) and time.monotonic() < give_up:
            time.sleep(0.01)  # the kernel ends a sandbox when it comes to it
        found += processes
        if self.image:
            mine = f"label=cursus-sandbox.workspace={json.loads((workspace / 'id.json').read_text())['id']}"
            for words in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
                listed = ["docker", *words, "--quiet", "--filter", mine]
                found += subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
        return found

    def processes(self) -> list[str]:
        """The command lines that hold the mark: those of steps."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if self.mark in line and "chaos.sh" in line:
                found.append(line)
        return found


def main() -> None:
    """Disturb so many runs, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--engine", default="local", choices=["local", "docker"])
    parser.add_argument("--image", default="xgb:latest", help="for --engine docker")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        chaos = Chaos(Path(name), given.engine, given.image if given.engine == "docker" else None)
        ends: Counter[str] = Counter()
        broken = {}
        seeds = range(given.first_seed, given.first_seed + given.runs)
        for seed in seeds:
            try:
                ends += chaos.disturbed(seed)
            except AssertionError as error:
                broken[seed] = str(error)
                print(f"seed {seed}: {error}", flush=True)
        print(
            f"{given.runs} runs of {len(shape())} steps on the {given.engine} engine, seeds {seeds[0]} to {seeds[-1]}, "
            f"{chaos.kills} kills: {len(broken)} broken; when picked up, "
            f"{ends['reused']} steps were taken over and {ends['succeeded']} ran"
        )
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
