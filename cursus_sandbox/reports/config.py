"""Why each step has the configuration it has: what was considered, how sure each is, and the reason."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from cursus_sandbox.pipeline.config_matching import ConfigCandidate
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan, PlannedStep
from cursus_sandbox.reports.text import folded, printable


def print_config_resolution(plan: PipelineExecutionPlan, console: Console) -> None:
    """Print each step's candidates, the chosen one first."""
    columns = console.width
    console.out("\nConfigurations", style="bold", highlight=False)
    lines = [folded(line, " " * 6, columns) for step in plan.steps for line in _lines(step)]
    console.out("\n".join(lines), highlight=False)


def in_short(candidate: ConfigCandidate) -> str:
    """A candidate without its reason: `XGBoostTraining  (direct name, 1.00)`."""
    return f"{candidate.key}  ({candidate.tier}, {candidate.confidence:.2f})"


def _lines(step: PlannedStep) -> Iterator[str]:
    if step.config is None:
        yield f"{step.name}  (no configuration was given: --config FILE, or config: in the document)"
        return
    chosen = step.config.chosen
    why = "several fit equally well" if step.config.others else "none fits"
    yield printable(step.name) + ("" if chosen else f"  (on its contract's defaults: {why})")
    if chosen:
        yield f"  takes   {in_short(chosen)}: {chosen.reason}"
    for other in step.config.others:
        yield f"  not     {in_short(other)}: {other.reason}"
    if step.config.more:
        yield f"          and {step.config.more:,} more that fit no better"
