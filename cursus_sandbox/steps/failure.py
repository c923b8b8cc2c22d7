"""What is kept of a step that failed, for whoever looks for the reason: in its result, and at the end of its log."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from cursus_sandbox.engines.engine import Engine
from cursus_sandbox.log_end import last_lines, tail
from cursus_sandbox.pipeline.events import Observer, StepLogged
from cursus_sandbox.pipeline.plan import PlannedStep
from cursus_sandbox.pipeline.result import StepExecutionResult
from cursus_sandbox.runs.folders import StepFolder
from cursus_sandbox.sagemaker.exits import no_space
from cursus_sandbox.sagemaker.layout import goes_alone, script_of
from cursus_sandbox.sagemaker.offline import pip_failure
from cursus_sandbox.sagemaker.script import left_behind
from cursus_sandbox.steps.attempts import LastAttempt
from cursus_sandbox.steps.kept_job import KeptJob, keep
from cursus_sandbox.steps.reproduction import reproduction

_LINES = 50


def with_particulars(
    result: StepExecutionResult, last: LastAttempt, engine: Engine, folder: StepFolder, tell: Observer
) -> StepExecutionResult:
    """The result with all that is to be told; its job and a script to run it by hand are kept, and its log gets an end.

    Whoever hears the lines of the log hears those of its end, too.
    """
    end = tail(folder.log)
    why = ": ".join([result.why, *_reasons(last, end, engine)])
    told: dict[str, object] = {"why": why, "log_end": last_lines(end, _LINES)}
    closing, script = [f"--- {result.status}: {why} ---"], None
    if last.end.laid_out:
        job, staging = last.end.laid_out
        kept = KeptJob(engine=engine.name, job=job, staging=staging, secrets=last.step.secrets)
        keep(kept, folder)
        alone = last.step.instance_count == 1  # of several hosts one can be looked into, but not run by itself
        if alone and (script := reproduction(kept, engine, folder.by_hand)):
            file = folder.by_hand.with_suffix(".sh")
            file.write_text(script, encoding="utf-8", errors="surrogateescape")
            told["by_hand"] = file
            closing.append(f"--- once more, by hand: {shlex.join(['sh', str(file)])} ---")
    if script is None and last.end.laid_out:
        words = ["cursus-sandbox", "shell", f"{folder.run}:{result.step}", "--workspace", str(folder.workspace)]
        closing.append(f"--- no script runs it by hand: {_no_script(last.step, engine)} ---")
        closing.append(f"--- a shell where it failed: {shlex.join(words)} ---")
    with folder.log.open("ab") as log:
        begun = "" if not end or end.endswith(b"\n") else "\n"
        log.write("".join([begun, *(f"{line}\n" for line in closing)]).encode("utf-8", "replace"))
    tell(StepLogged(step=result.step, lines=tuple(closing)))
    return result.model_copy(update=told)


def _no_script(step: PlannedStep, engine: Engine) -> str:
    """Why there is none."""
    if step.secrets:
        return "it would hold the step's secrets"
    if not engine.makes_mounts:
        return "the process engine calls its main, and --pdb stops there"
    if step.instance_count > 1:
        return "it runs on several hosts"
    return "the engine does not see this machine's files, they are carried to it"


def _reasons(last: LastAttempt, end: bytes, engine: Engine) -> Iterator[str]:
    """What the end of a log says about why, where the step itself failed."""
    if last.end.well or last.end.exit.why:
        return
    step = last.step
    if step.pip_shim and not step.network and (pip := pip_failure(end)):
        yield pip
    script = script_of(step)
    if script and engine.makes_mounts and goes_alone(step) and (module := left_behind(script, end)):
        yield f"'{module}' lies beside {script.name}, which goes along alone"
    if full := no_space(step, end, last.disk):
        yield full
