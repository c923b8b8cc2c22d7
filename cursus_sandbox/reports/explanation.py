"""Why a step ran, was skipped, was taken over or failed, what that means, and what to do: of one step of one run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.pipeline.selection import NOT_SELECTED
from cursus_sandbox.reports.commands import typed
from cursus_sandbox.reports.findings import finding_lines

if TYPE_CHECKING:
    from cursus_sandbox.reports.difference import Difference

NOT_BEFORE = "it has not run before"  # the cache's word for a step that has left nothing
_NOT_WELL_BEFORE = "it has not ended well before"
_FINDINGS = 3
_LAST_WORD = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)(?::|$)")

_TRACEBACK = "Traceback (most recent call last):"
_KEY_ERROR = r'", line \d+, in .*\n(?:    .*\n)*KeyError: '  # raised by the file that is named before it
_CHAINED = ("During handling of the above exception, another", "The above exception was the direct cause")

# What the reason, or what the log says last, holds, what that means, and what to do about it; the first that is found.
# With ^ it is the reason alone; (?m)^ is where a line of the log begins.
_KNOWN = [
    (
        r"^timed out",
        "It took longer than it may.",
        "Give it more time: timeout: 2h of the step, or --timeout 2h for all that don't say.",
    ),
    (
        r"^out of memory",
        "Its limit of memory ended it.",
        "Give it more: resources: {memory: 4g} of the step, or --memory 4g. `report` draws its memory over time.",
    ),
    (
        r"lies beside .*, which goes along alone",
        "It imports what lies in its script's folder, of which only the script itself goes along.",
        "Have all of the folder go along:  contract: {source_dir: true}  in the step's contract.",
    ),
    (
        r"(?:ModuleNotFoundError|ImportError): ",
        "What it imports isn't installed where it ran.",
        "Install it in the image, or on the engines local and process in this machine's Python.",
    ),
    (
        r"(?:Name or service not known|Temporary failure in name resolution|Network is unreachable|gaierror: \[)",
        "It asked the network for something, and steps have none unless they ask for it.",
        "Give it what it needs as an input, or a network: network: true of the step, or --network bridge.",
    ),
    (
        r"NoCredentialsError|Unable to locate credentials|NoRegionError|EndpointConnectionError",
        "It asked AWS for something, and steps have neither a network nor credentials unless they ask for them.",
        "Give it what it needs as an input; or network: true of the step, and secrets: for credentials.",
    ),
    (
        r"(?m)^\S.*: error: (?:the following arguments are required|unrecognized arguments|argument |ambiguous option)",
        "Its script refuses the arguments it was given.",
        "Compare them with what `plan` shows: they come from the contract and the document's arguments.",
    ),
    (
        r"FileNotFoundError: .*'(?:/opt/ml/[^']*)'",
        "It looked for a file where nothing was mounted, or nothing was left.",
        "See what lay where: `runs show` has its mounts, `shell` goes there. `plan` says why each input is bound.",
    ),
    (
        r"non-existent directory: '/opt/ml/",
        "It writes to a folder that nobody has made, so it is none of its outputs.",
        "Compare its path with the outputs that `plan` shows.",
    ),
    (
        rf"(?:<frozen os>|/os\.py){_KEY_ERROR}|    .*\benviron.*\n(?: +[~^]+\n)?KeyError: ",
        "It reads a variable that it wasn't given.",
        "Give it one: env: {NAME: value} of the step, or secrets: for what must not be seen.",
    ),
    (
        rf"(?:pandas|pyarrow)/[^\n]*{_KEY_ERROR}|ColumnNotFoundError: ",
        "It asks a table for a column, or a label, that isn't there.",
        "Compare it with what it is given: `schema infer DATA` lists the columns, `plan` says why each input is bound.",
    ),
    (
        r"^the command was not found",
        "There is no such program where it ran.",
        "Install it in the image, or name another.",
    ),
    (r"^killed by ", "It was ended from outside, or by a fault in native code.", ""),
    (r"^no space|No space left", "A disk was full.", "Free some, or let it write less."),
    (r"^exit code ", "Its own command ended so: with 1 an exception that nobody caught, or sys.exit.", ""),
]


# The same of a step whose main was called with paths of this machine.
_KNOWN_OF_PROCESS = [
    (
        r"(?:FileNotFoundError|PermissionError|OSError): .*'/opt/ml(?:/|')",
        "It names a path of a container, and the process engine has none: there is no /opt/ml.",
        "Use the paths that main() is given, or have it at /opt/ml with  --engine local  or docker.",
    )
]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is said of a step. `changes` are what it came of then and in run `since`; `next` are commands to type."""

    step: str
    run: str
    status: str
    because: str
    since: str
    changes: tuple[Difference, ...]
    happened: tuple[str, ...]
    to_do: tuple[str, ...]
    next: tuple[str, ...]


def explanation(
    step: StepExecutionResult,
    result: PipelineExecutionResult,
    *,
    after: Mapping[str, Sequence[str]],
    since: str = "",
    changes: Sequence[Difference] = (),
    is_running: bool = False,
) -> Explanation:
    """Explain a step of a run, or of what is known of one so far. `after` are the steps that each waits for."""
    blamed = _blamed(step, result, after)
    because = step.because if step.started_at is not None else ""
    happened, to_do = _failure(step, result) if step.status is StepStatus.FAILED else _other(step, blamed)
    return Explanation(
        step=step.step,
        run=result.run,
        status="running" if is_running and step.status is StepStatus.STOPPED else str(step.status),
        because=_NOT_WELL_BEFORE if since and because == NOT_BEFORE else because,
        since=since if changes else "",
        changes=tuple(changes),
        happened=tuple(happened),
        to_do=tuple(one for one in to_do if one),
        next=tuple(_next(step, result, blamed, is_running=is_running)),
    )


def explanation_lines(told: Explanation) -> Iterator[str]:
    """The explanation as lines; the first is its heading."""
    yield f"{told.step}: {told.status} in run {told.run}"
    if told.because:
        yield f"  it ran: {told.because}"
    if told.changes:
        yield f"  what it came of, in run {told.since} and in this one:"
        yield from (
            f"    {one.what}: {one.before or 'not there'} -> {one.after or 'not there'}" for one in told.changes
        )
    yield from (f"  {line}" for line in told.happened)
    if told.to_do:
        yield "  what to do:"
        yield from (f"    {line}" for line in told.to_do)
    yield from (f"next: {command}" for command in told.next)


def meaning(step: StepExecutionResult, engine: str) -> tuple[str, str]:
    """What a failure means, and what to do, as far as its engine, its reason or the end of its log tells."""
    known = [*_KNOWN_OF_PROCESS, *_KNOWN] if engine == "process" else _KNOWN
    said = "\n".join(_said_last(step.log_end))
    for pattern, means, remedy in known:
        if re.search(pattern, step.why) or (not pattern.startswith("^") and re.search(pattern, said)):
            return means, remedy
    return "", ""


def _said_last(lines: Sequence[str]) -> Sequence[str]:
    """From the last traceback on, with those of the exceptions that it came of; all, where there is none."""
    begins = [number for number, line in enumerate(lines) if line.startswith(_TRACEBACK)]
    while len(begins) > 1 and any(line.startswith(_CHAINED) for line in lines[begins[-2] : begins[-1]]):
        begins.pop()
    return lines[begins[-1] :] if begins else lines


def _failure(step: StepExecutionResult, result: PipelineExecutionResult) -> tuple[list[str], list[str]]:
    """What a failure means, and what to do."""
    happened, to_do = [f"it failed: {step.why}"], list[str]()
    if step.message:
        happened.append(f"its message: {step.message}")
    if step.data_broken:
        errors = [(report, one) for report in step.reports for one in report.errors]
        for report, one in errors[:_FINDINGS]:
            first, *more = finding_lines(report, one, result)
            happened += [first, *(f"  {line}" for line in more)]
        if len(errors) > _FINDINGS:
            happened.append(f"and {len(errors) - _FINDINGS} findings more:  {typed('runs show', result)}")
        to_do.append("Correct who writes it, or the schema in the contract. `schema infer` writes one from data.")
        return happened, to_do
    last = next((line.strip() for line in reversed(step.log_end) if _LAST_WORD.match(line.strip())), "")
    if last:
        happened.append(f"its last word: {last}")
    means, remedy = meaning(step, result.engine)
    if means:
        happened.append(f"what that means: {means}")
        to_do.append(remedy)
    if len(step.earlier_attempts):
        happened.append(f"it was tried {step.attempts} times; before: {step.earlier_attempts[-1].why}")
    return happened, to_do


def _other(step: StepExecutionResult, blamed: Sequence[StepExecutionResult]) -> tuple[list[str], list[str]]:
    """What came of a step that didn't fail."""
    match step.status:
        case StepStatus.SUCCEEDED:
            left = [f"it left {channel}: {folder}" for channel, folder in step.outputs.items()]
            return [f"it ended well, in {step.seconds:.1f} s", *left, *step.warnings], []
        case StepStatus.REUSED if step.why.startswith("outputs of run"):
            return [f"it did not run: it was not chosen, and what others read of it are the {step.why}"], []
        case StepStatus.REUSED:
            happened = [f"it did not run: {step.why}, so what it left then was taken over"]
            return happened, [f"To run it all the same: --force {step.step}, or --no-cache for all."]
        case StepStatus.SKIPPED if step.why == NOT_SELECTED:
            return ["it did not run: --only, --from, --until or `rerun --failed` left it out"], []
        case StepStatus.SKIPPED if blamed:
            reasons = [f"{one.step} {one.status}: {one.why}" for one in blamed]
            return [f"it did not run: {step.why}", *reasons], [f"Mend {', '.join(one.step for one in blamed)}."]
        case _:
            return [f"it {'did not run' if step.status is StepStatus.SKIPPED else 'has no end'}: {step.why}"], []


def _blamed(
    step: StepExecutionResult, result: PipelineExecutionResult, after: Mapping[str, Sequence[str]]
) -> list[StepExecutionResult]:
    """The steps that failed, or were stopped, for which a step was skipped: the first of each way there."""
    if step.status is not StepStatus.SKIPPED:
        return []
    results, seen, waiting = result.step_results, {step.step}, list(after.get(step.step, ()))
    found = []
    while waiting:
        name = waiting.pop(0)
        if name in seen or name not in results:
            continue
        seen.add(name)
        if results[name].success:
            waiting += after.get(name, ())
        else:
            found.append(results[name])
    return found


def _next(
    step: StepExecutionResult,
    result: PipelineExecutionResult,
    blamed: Sequence[StepExecutionResult],
    *,
    is_running: bool,
) -> Iterator[str]:
    """The commands to type next."""
    for one in blamed:
        yield typed("explain", result, one.step)
    if is_running and step.status in (StepStatus.STOPPED, StepStatus.SKIPPED) and not blamed:
        yield typed("logs --follow", result, step.step)
    elif step.log is not None and step.status is not StepStatus.REUSED:
        yield typed("logs", result, step.step)
    if step.has_sandbox:
        yield typed("shell", result, step.step)
    if step.status is StepStatus.FAILED and not is_running:
        yield typed("rerun", result, options="--failed")
