"""What a plan is told of the machine that it is run on."""

from types import SimpleNamespace

import pytest

import cursus_sandbox
from cursus_sandbox.steps.site import ThisMachine

DOCUMENT = """
steps:
  Asks: {resources: {memory: 64m, cpus: 1}, entry_point: a.py}
  DoesNot: {entry_point: a.py}
"""


def fitted(tmp_path, unenforced):
    (tmp_path / "dag.yaml").write_text(DOCUMENT)
    methods = dict.fromkeys(("require", "reap", "interrupt", "prepare"))
    kinds = dict.fromkeys(("makes_mounts", "runs_images", "makes_clusters"), True)
    engine = SimpleNamespace(name="docker", **methods, **kinds, unenforced=unenforced)
    plan = cursus_sandbox.plan(tmp_path / "dag.yaml")
    return {step.name: step.notes for step in ThisMachine(engine).fitted(plan, ()).steps}, {
        step.name: step.notes for step in plan.steps
    }


@pytest.mark.parametrize(
    ("unenforced", "limits"), [(("memory", "cpus"), "memory and cpus"), (("cpus",), "cpus"), ((), "")]
)
def test_limits_that_nobody_enforces(tmp_path, unenforced, limits):
    """A step that asks for one is told of it, and no other step."""
    notes, before = fitted(tmp_path, unenforced)
    said = f"the docker engine's daemon enforces no limit of {limits}: it may use more than it is given"
    assert notes == before | {"Asks": (*before["Asks"], *([said] if limits else []))}
