"""The pytest plugin: a test marked with a pipeline is handed what came of it, and each step is a sub-test.

Every pytest run loads it where this package is installed, so all else is imported when a test asks for a pipeline.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cursus_sandbox.pipeline.result import PipelineExecutionResult, StepExecutionResult

_OPTIONS = {
    "engine": "where steps run: auto, docker, local or process",
    "image": "the image of the steps that don't name one",
    "workspace": "a folder where runs are kept, so that a later session takes over what has not changed",
}
_MARK = '@pytest.mark.pipeline("dag.yaml")'
_PATHS = ("config", "source_dir", "registry", "workspace")  # options of a mark that are a path each
_LOG_LINES = 100


@dataclass(frozen=True, slots=True)
class _Asked:
    """A pipeline as a test asks for it."""

    document: Path
    options: dict[str, Any]

    def __str__(self) -> str:
        said = sorted((name, repr(value)) for name, value in self.options.items())
        return f"{self.document} {said}"


@dataclass(frozen=True, slots=True)
class _Run:
    """What came of a pipeline, and the test that its steps were told with."""

    result: PipelineExecutionResult
    test: str


_RUNS = pytest.StashKey[dict[str, _Run]]()  # of the session
_RUN = pytest.StashKey[_Run]()  # of a test
_STEP = pytest.StashKey["StepExecutionResult"]()  # that is being told


@pytest.fixture
def cursus_sandbox(request: pytest.FixtureRequest) -> PipelineExecutionResult:
    """What came of the pipeline that the test's mark names; its steps are sub-tests of the test.

    Tests that ask for the same pipeline in the same way share one run.
    """
    asked, subtests = _asked(request.node), _subtests(request)
    runs = request.session.stash.setdefault(_RUNS, {})
    run = runs.get(str(asked))
    if run is None or run.test == request.node.nodeid:  # as a test that is run once more does
        run = runs[str(asked)] = _Run(_ran(asked, request), request.node.nodeid)
        _tell_steps(run.result, request.node, subtests)
    request.node.stash[_RUN] = run
    return run.result


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--cursus-engine` and its like, each in the configuration too: there it is what a mark that doesn't say gets."""
    group = parser.getgroup("cursus-sandbox", "pipelines (cursus-sandbox)")
    for name, said in _OPTIONS.items():
        choices = {"choices": ("auto", "docker", "local", "process")} if name == "engine" else {}
        group.addoption(f"--cursus-{name}", metavar=name.upper(), help=f"{said}, whatever a mark says", **choices)
        parser.addini(f"cursus_{name}", f"{said}, unless a mark says it")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers", "pipeline(document, **options): run a pipeline first; the options are those of cursus_sandbox.run"
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test with the mark runs its pipeline, whether or not it takes the fixture as an argument."""
    if isinstance(item, pytest.Function) and item.get_closest_marker("pipeline") is not None:
        missing = {"cursus_sandbox"} - set(item.fixturenames)
        item.fixturenames.extend(missing)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Don't call a test whose pipeline has failed: its sub-tests say so, or those of the test that ran it."""
    run = pyfuncitem.stash.get(_RUN, None)
    if run is None or run.result.success:
        return None
    if run.test != pyfuncitem.nodeid:
        pytest.fail(f"{run.result.pipeline} failed: see {run.test}", pytrace=False)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give a step's sub-test its seconds, its log, and of one that was skipped the test's place instead of ours."""
    report = yield
    step = item.stash.get(_STEP, None)
    if step is not None:
        report.duration = step.seconds
        if report.skipped:
            file, line, _ = item.reportinfo()
            report.longrepr = (str(file), (line or 0) + 1, step.why)
        elif report.failed and step.log is not None:
            report.sections.append((f"log of {step.step}", _log(step.log)))
    return report


def _ran(asked: _Asked, request: pytest.FixtureRequest) -> PipelineExecutionResult:
    from cursus_sandbox import api  # noqa: PLC0415 -- all of these when a test wants them
    from cursus_sandbox.errors import SandboxError  # noqa: PLC0415
    from cursus_sandbox.reports.progress import lines_on  # noqa: PLC0415
    from cursus_sandbox.workflow_commands import are_obeyed, guarded  # noqa: PLC0415

    workspace, wrong = _workspace(asked, request), ""
    lines = lines_on(guarded(sys.stderr) if are_obeyed(os.environ) else sys.stderr)
    try:
        result = api.run(asked.document, **{"observer": lines, **asked.options, "workspace": workspace})
    except SandboxError as error:
        wrong = str(error)
    if wrong:  # said out here: pytest would say twice what is raised while another error is handled
        pytest.fail(wrong, pytrace=False)
    if result.interrupted is not None:
        raise KeyboardInterrupt
    return result


def _workspace(asked: _Asked, request: pytest.FixtureRequest) -> Path:
    """The folder of its own that a pipeline has in the one that was named, for each process that runs tests.

    Where none was named it is a temporary one.
    """
    if "workspace" not in asked.options:
        temporary: Path = request.getfixturevalue("tmp_path_factory").mktemp("pipeline")
        return temporary / "workspace"
    worker = getattr(request.config, "workerinput", {}).get("workerid", "")  # of pytest-xdist
    return Path(asked.options["workspace"], worker)


def _tell_steps(result: PipelineExecutionResult, node: pytest.Item, subtests: Any) -> None:
    """Report each step as a sub-test of the test that is being set up."""
    for step in result.steps:
        node.stash[_STEP] = step
        with suppress(pytest.fail.Exception, pytest.skip.Exception), subtests.test(step.step):  # raised under -x
            _tell(step, result)
    del node.stash[_STEP]


def _subtests(request: pytest.FixtureRequest) -> Any:
    try:
        return request.getfixturevalue("subtests")
    except pytest.FixtureLookupError:
        pytest.fail("steps are sub-tests, which pytest has from version 9 on\npip install 'pytest>=9'", pytrace=False)


def _tell(step: StepExecutionResult, result: PipelineExecutionResult) -> None:
    from cursus_sandbox.pipeline.result import StepStatus  # noqa: PLC0415
    from cursus_sandbox.reports.findings import failure_details  # noqa: PLC0415

    if step.status in (StepStatus.FAILED, StepStatus.STOPPED):
        pytest.fail(_shown("\n\n".join([step.why, *failure_details(step, result)])), pytrace=False)
    if step.status is StepStatus.SKIPPED:
        pytest.skip(step.why)


def _log(file: Path) -> str:
    from cursus_sandbox.log_end import last_lines, tail  # noqa: PLC0415

    return _shown("\n".join(last_lines(tail(file), _LOG_LINES)))


def _shown(text: str) -> str:
    """What a step wrote, as it may be shown to whoever reads our output."""
    from cursus_sandbox.workflow_commands import are_obeyed, harmless  # noqa: PLC0415

    return harmless(text) if are_obeyed(os.environ) else text


def _asked(node: pytest.Function) -> _Asked:
    """What the mark, the command line and the configuration say together."""
    from cursus_sandbox.api import run  # noqa: PLC0415
    from cursus_sandbox.errors import did_you_mean  # noqa: PLC0415

    mark = node.get_closest_marker("pipeline")
    if mark is None:
        pytest.fail(f"no mark says which pipeline to run\nWrite above the test:  {_MARK}", pytrace=False)
    if len(mark.args) != 1 or not isinstance(mark.args[0], str | Path):
        pytest.fail(f"the mark does not say which pipeline to run\nWrite  {_MARK}", pytrace=False)
    known = [name for name in inspect.signature(run).parameters if name != "document"]
    for name in mark.kwargs:
        if name not in known:
            pytest.fail(f"a pipeline has no option '{name}'\n{did_you_mean(name, known)}".rstrip(), pytrace=False)
    document = _found(mark.args[0], node)
    if not document.exists():
        looked = " and in ".join(dict.fromkeys(map(str, _places(node))))
        pytest.fail(f"there is no {mark.args[0]}\nLooked in {looked}.", pytrace=False)
    return _Asked(document, _options(node, mark.kwargs))


def _options(node: pytest.Function, said: Mapping[str, Any]) -> dict[str, Any]:
    """The mark's, whose paths count from the test; the command line has the first word, the configuration the last."""
    from cursus_sandbox.pipeline.values import several  # noqa: PLC0415

    options = dict(said)
    for name in _OPTIONS:
        in_file, given = node.config.getini(f"cursus_{name}"), node.config.getoption(f"cursus_{name}")
        if "" in (given, options.get(name)):
            which = f"--cursus-{name}" if given == "" else f"the mark's {name}"
            pytest.fail(f"{which} is empty: is a variable not set?", pytrace=False)
        if name == "workspace":
            in_file = in_file and node.config.rootpath / in_file
            given = given and node.config.invocation_params.dir / given
        if chosen := given or options.get(name) or in_file:
            options[name] = chosen
    for name in _PATHS:
        if isinstance(options.get(name), str | Path):
            options[name] = _found(options[name], node)
    if "contracts" in options:
        contracts = several(options["contracts"])
        options["contracts"] = [_found(one, node) if isinstance(one, str | Path) else one for one in contracts]
    if isinstance(inputs := options.get("inputs"), Mapping):
        options["inputs"] = {place: _found(data, node) for place, data in inputs.items()}
    return options


def _found(path: str | Path, node: pytest.Item) -> Any:
    """A path beside the test, or if it isn't there from the root of all tests; an address as it is."""
    if "://" in str(path):
        return path
    there = [place / path for place in _places(node)]
    return next((one for one in there if one.exists()), there[0])


def _places(node: pytest.Item) -> tuple[Path, Path]:
    return node.path.parent, node.config.rootpath
