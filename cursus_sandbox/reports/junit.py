"""A run as JUnit XML, as GitLab, GitHub actions, Jenkins and Azure read it: a test case a step."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from cursus_sandbox.errors import SandboxError
from cursus_sandbox.log_end import last_lines, tail
from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult, StepStatus
from cursus_sandbox.reports.findings import failure_details

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LOG_LINES = 100


def junit(result: PipelineExecutionResult) -> str:
    """The whole document. A failed step is a failure, a stopped one an error, one that wasn't run is skipped."""
    steps = result.steps
    suite = ET.Element(
        "testsuite",
        name=_text(result.pipeline),
        tests=str(len(steps)),
        failures=str(sum(step.status is StepStatus.FAILED for step in steps)),
        errors=str(sum(step.status is StepStatus.STOPPED for step in steps)),
        skipped=str(sum(step.status is StepStatus.SKIPPED for step in steps)),
        time=f"{result.seconds:.3f}",
        timestamp=result.started_at.isoformat(timespec="seconds"),
    )
    for step in steps:
        suite.append(_case(step, result))
    return _document(suite)


def junit_of_none(name: str, error: SandboxError | None = None) -> str:
    """The document where there was no run: with an error one test case that says it, else none at all."""
    cases = "0" if error is None else "1"
    suite = ET.Element("testsuite", name=_text(name), tests=cases, failures="0", errors=cases, skipped="0")
    if error is not None:
        case = ET.SubElement(suite, "testcase", classname=_text(name), name=error.exit_code.name.lower())
        said = str(error)
        ET.SubElement(case, "error", message=_text(said.partition("\n")[0])).text = _text(said)
    return _document(suite)


def _document(suite: ET.Element) -> str:
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(step: StepExecutionResult, result: PipelineExecutionResult) -> ET.Element:
    case = ET.Element("testcase", classname=_text(result.pipeline), name=_text(step.step), time=f"{step.seconds:.3f}")
    match step.status:
        case StepStatus.FAILED:
            failure = ET.SubElement(case, "failure", message=_text(step.why))
            failure.text = _text("\n\n".join(failure_details(step, result)))
        case StepStatus.STOPPED:
            ET.SubElement(case, "error", message=_text(step.why))
        case StepStatus.SKIPPED:
            ET.SubElement(case, "skipped", message=_text(step.why))
        case _:
            pass
    if step.log is not None and (lines := last_lines(tail(step.log), _LOG_LINES)):
        ET.SubElement(case, "system-out").text = _text("\n".join(lines))
    return case


def _text(text: str) -> str:
    """Text without what XML can't hold."""
    return _NOT_XML.sub("\ufffd", text)
