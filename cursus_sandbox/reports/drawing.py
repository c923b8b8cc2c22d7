"""The plan as a drawing for another program: Mermaid (GitHub and GitLab show it) or Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.pipeline.source import StepOutput


def mermaid(plan: PipelineExecutionPlan) -> str:
    """A Mermaid flowchart: a box a step, an arrow a channel, a dotted arrow where only the order is meant."""
    names = {step.name: f"s{number}" for number, step in enumerate(plan.steps)}
    lines = ["flowchart TD"]
    for step in plan.steps:
        left, right = ("[", "]") if step.runs else ("([", "])")
        lines.append(f'  {names[step.name]}{left}"{_html(step.name)}"{right}')
    for before, after, label in _arrows(plan):
        arrow = f'-->|"{_html(label)}"|' if label else "-.->"
        lines.append(f"  {names[before]} {arrow} {names[after]}")
    skipped = [names[step.name] for step in plan.steps if not step.runs]
    if skipped:
        lines += ["  classDef skipped stroke-dasharray: 5 5", f"  class {','.join(skipped)} skipped"]
    return "\n".join(lines) + "\n"


def dot(plan: PipelineExecutionPlan) -> str:
    """A Graphviz digraph of the same."""
    lines = [f"digraph {_quoted(plan.name)} {{", "  node [shape=box, style=rounded];"]
    for step in plan.steps:
        dashed = "" if step.runs else ' [style="rounded,dashed"]'
        lines.append(f"  {_quoted(step.name)}{dashed};")
    for before, after, label in _arrows(plan):
        look = f"label={_quoted(label)}" if label else "style=dotted"
        lines.append(f"  {_quoted(before)} -> {_quoted(after)} [{look}];")
    return "\n".join([*lines, "}"]) + "\n"


def _arrows(plan: PipelineExecutionPlan) -> Iterator[tuple[str, str, str]]:
    """Each edge and what goes over it: `output` or `output to input`; nothing where only the order is meant."""
    for step in plan.steps:
        for before in step.depends_on:
            yield before, step.name, ", ".join(_channels(step, before))


def _channels(step: PlannedStep, before: str) -> Iterator[str]:
    for one in step.inputs:
        if isinstance(one.source, StepOutput) and one.source.step == before:
            same = one.source.channel == one.channel
            yield one.channel if same else f"{one.source.channel} to {one.channel}"


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
