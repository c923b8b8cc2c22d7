"""A result as a notebook shows it: a table of its steps, with what a reader of the cell needs to know."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult

_COLOURS = {"succeeded": "#1a7f37", "failed": "#c4262e", "stopped": "#9a6700"}
_MOST_STEPS = 200


def table(result: PipelineExecutionResult) -> str:
    """HTML without scripts and with its own few styles; of a large pipeline, what did not go well comes first."""
    steps = list(result.steps)
    if len(steps) > _MOST_STEPS:
        steps = sorted(steps, key=lambda step: step.success)[:_MOST_STEPS]
    more = f"<p>and {len(result.steps) - len(steps)} steps more</p>" if len(steps) < len(result.steps) else ""
    return (
        f"<p><b>{escape(result.pipeline)}</b>: {result.outcome} in {result.seconds:.1f} s on the"
        f" {escape(result.engine)} engine, run <code>{escape(result.run)}</code></p>"
        '<table><thead><tr><th scope="col">step</th><th scope="col">status</th><th scope="col">seconds</th>'
        '<th scope="col">peak memory, MB</th><th scope="col"></th></tr></thead>'
        f"<tbody>{''.join(map(_row, steps))}</tbody></table>{more}"
        f"<p>outputs and logs: <code>{escape(str(result.folder))}</code></p>"
    )


def _row(step: StepExecutionResult) -> str:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in step.metrics.items())
    cells = (
        escape(step.step),
        f'<b style="color:{_COLOURS.get(step.status, "inherit")}">{step.status}</b>',
        f"{step.seconds:.1f}" if step.started_at else "",
        f"{step.peak_memory / 1024**2:,.0f}" if step.peak_memory is not None else "",
        escape(step.why or metrics),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
