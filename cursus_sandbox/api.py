"""check(), plan(), run() and clean(): the only place that wires the rooms together."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cursus_sandbox.capacity import fitted_to_this_machine
from cursus_sandbox.documents import Contracts
from cursus_sandbox.engine_choice import EngineName, choose_engine
from cursus_sandbox.errors import DocumentError, EngineError, Problem
from cursus_sandbox.overrides import AnyPath, Overrides, option, refuse_empty
from cursus_sandbox.pipeline.dag import Pipeline, PipelineDAG
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan
from cursus_sandbox.pipeline.retries import NEVER
from cursus_sandbox.pipeline.selection import Again, Selection, unfinished
from cursus_sandbox.pipeline.source import S3Settings
from cursus_sandbox.pipeline.values import count, duration, several, size
from cursus_sandbox.planning import DataSource, Document, PipelineDAGResolver, unfed_of
from cursus_sandbox.runs.request import read_request, request_of

if TYPE_CHECKING:
    from cursus_sandbox.caching.prediction import Prediction
    from cursus_sandbox.engines.engine import Engine
    from cursus_sandbox.inputs.registry import S3OutputPathRegistry
    from cursus_sandbox.pipeline.events import Observer
    from cursus_sandbox.pipeline.golden import GoldenSchemas
    from cursus_sandbox.pipeline.result import PipelineExecutionResult
    from cursus_sandbox.runs.pruning import Pruned

WORKSPACE = Path(".cursus-sandbox")
CONTRACTS_VARIABLE = "CURSUS_SANDBOX_CONTRACTS"

S3Given = S3Settings | Mapping[str, Any]


def plan(
    document: Document,
    *,
    contracts: Contracts = (),
    image: str | None = None,
    source_dir: AnyPath | None = None,
    timeout: float | str | None = None,
    grace: float | str | None = None,
    network: bool | None = None,
    pip_shim: bool | None = None,
    user: str | None = None,
    memory: int | str | None = None,
    log_limit: int | str | None = None,
    read_only_root: bool | None = None,
    runtime: str | None = None,
    secrets: Mapping[str, str] | None = None,
    inputs: Mapping[str, AnyPath] | None = None,
    s3: S3Given | None = None,
    config: AnyPath | None = None,
    lenient: bool = False,
    data_source: DataSource = "local",
    explain_config: bool = False,
    strict: bool = False,
) -> PipelineExecutionPlan:
    """What would run, decided and checked, without touching an engine or any data.

    The options are those of `run` with the same names; with `explain_config` each step's `config` holds all that might
    be its own.

    Raises:
        DocumentError: With everything that is wrong with the documents.

    Examples:
        >>> import cursus_sandbox
        >>> plan = cursus_sandbox.plan("examples/xgboost/dag.yaml")
        >>> plan.execution_order[:2]
        ('DummyDataLoading', 'TabularPreprocessing_training')
        >>> plan.step_configs["XGBoostTraining"].environment["LABEL_FIELD"].value
        'late'
    """
    resolver = _resolver(document, locals())
    planned = resolver.create_execution_plan(explain_config=explain_config, strict=strict)
    return fitted_to_this_machine(planned)


def predicted(
    planned: PipelineExecutionPlan,
    workspace: AnyPath = WORKSPACE,
    *,
    strict: bool = False,
    only: Iterable[str] = (),
    from_step: str | None = None,
    until: str | None = None,
    cache: bool = True,
    force: Iterable[str] = (),
) -> dict[str, Prediction]:
    """What a run in that workspace would take over from earlier ones and what it would run, step by step, and why.

    The options are those of `run` with the same names. No engine is asked: an image is taken to be what it was when its
    step last ran. Empty where the pipeline hasn't run, and all of it would.
    """
    refuse_empty({"workspace": workspace, "from_step": from_step, "until": until})
    selection, forced = Selection(only=tuple(only), first=from_step, last=until), tuple(force)
    if selection == Selection() and not forced and not Path(workspace).exists():
        return {}
    from cursus_sandbox.caching.prediction import predictions

    return predictions(planned, Path(workspace), strict=strict, selection=selection, use=cache, forced=forced)


def check(
    document: Document,
    *,
    contracts: Contracts = (),
    source_dir: AnyPath | None = None,
    secrets: Mapping[str, str] | None = None,
    inputs: Mapping[str, AnyPath] | None = None,
    s3: S3Given | None = None,
    config: AnyPath | None = None,
    lenient: bool = False,
    data_source: DataSource = "local",
    strict: bool = False,
) -> PipelineExecutionPlan:
    """As `plan`, and the scripts and files that the documents name must be there.

    The options are those of `run` with the same names.

    Raises:
        DocumentError: With everything that is wrong, each problem with its file and line.

    Examples:
        >>> import cursus_sandbox
        >>> try:
        ...     cursus_sandbox.check("examples/xgboost/dag.yaml", inputs={"XGBoostTrainin:input_path": "data/"})
        ... except cursus_sandbox.DocumentError as error:
        ...     print(error.problems[0].hint)
        Did you mean 'XGBoostTraining'?
    """
    planned = _resolver(document, locals()).create_execution_plan(runnable=True, strict=strict)
    return fitted_to_this_machine(planned)


def run(
    document: Document,
    *,
    engine: EngineName | Engine = "auto",
    scheduler: str = "local",
    workspace: AnyPath = WORKSPACE,
    store: str | None = None,
    contracts: Contracts = (),
    image: str | None = None,
    source_dir: AnyPath | None = None,
    timeout: float | str | None = None,
    grace: float | str | None = None,
    network: bool | None = None,
    pip_shim: bool | None = None,
    user: str | None = None,
    memory: int | str | None = None,
    log_limit: int | str | None = None,
    read_only_root: bool | None = None,
    runtime: str | None = None,
    secrets: Mapping[str, str] | None = None,
    inputs: Mapping[str, AnyPath] | None = None,
    s3: S3Given | None = None,
    config: AnyPath | None = None,
    lenient: bool = False,
    data_source: DataSource = "local",
    strict: bool = False,
    jobs: int | None = None,
    fail_fast: bool = False,
    pull: bool = False,
    values: bool = True,
    only: Iterable[str] = (),
    from_step: str | None = None,
    until: str | None = None,
    registry: AnyPath | S3OutputPathRegistry | None = None,
    cache: bool = True,
    force: Iterable[str] = (),
    max_size: int | str = "20g",
    observer: Observer | None = None,
    pdb: bool = False,
    update_schemas: bool = False,
    again: Again | None = None,
) -> PipelineExecutionResult:
    """Run a pipeline: plan it, check that all it names is there, then run each step in a sandbox.

    A step that fails is in the result, not raised. Sizes are bytes, or texts such as `2g`; times are seconds, or texts
    such as `10m`.

    Args:
        document: A `dag.yaml` or `dag.json`, a Cursus `*.dag.json`, or a graph in memory, `PipelineDAG`.
        engine: Where steps run: `docker`, `local` (bubblewrap), `process`, which isolates nothing, or an engine of your
            own. `auto` is docker where an image is named.
        scheduler: Whose hosts steps run on: `local`, this machine, or those of a Dask cluster, `dask://host:8786`,
            which share the workspace, or reach the `store`.
        workspace: The folder where runs are kept, made if it isn't there. One run at a time holds it.
        store: Where the hosts of a cluster that share no folder get files: `s3://bucket/prefix`, reached as `s3` says.
        contracts: Contracts, or folders of `*.step.yaml` and `*_contract.py`, or one, searched before those of
            CURSUS_SANDBOX_CONTRACTS, of the document, of an installed Cursus and the shipped ones.
        image: The image of the steps that don't name one.
        source_dir: The folder with the scripts of the steps that don't name one.
        timeout: The longest that a step may take, where it doesn't say.
        grace: The time from TERM to KILL when that is over.
        network: Whether steps that don't say have a network; none, unless it is True.
        pip_shim: Whether `pip install` of a step without a network ends at once; it does, unless it is False.
        user: Who steps run as: `root`, `image` or `uid[:gid]`; the caller, if none is given.
        memory: What a step that doesn't say may use.
        log_limit: How much of a step's log is kept; a gigabyte, if nothing is given.
        read_only_root: Whether steps can write only where SageMaker has them write.
        runtime: A container runtime that the daemon has, such as `runsc`.
        secrets: Where values that nobody may see are kept: `{"NAME": "env:VARIABLE"}` or `{"NAME": "file:PATH"}`.
        inputs: What root inputs read: `{"step:channel": path}`, a file, folder, pattern or `s3://bucket/prefix`.
        s3: How S3 is reached, and how much is taken: `{"endpoint_url": "http://localhost:9000", "max_objects": 10}`.
        config: Cursus' configuration file, instead of the document's.
        lenient: Whether a required input that nothing fits takes the first output there is.
        data_source: What feeds the inputs that nothing feeds: `local` is nothing, `s3` is below a prefix, `Synthetic`
            makes data up.
        strict: Whether what SageMaker would refuse or lose, and what is odd about data, is an error.
        jobs: How many steps may run at once; one for each processor, if nothing is given.
        fail_fast: Whether the first failure stops all.
        pull: Whether images that aren't here are fetched.
        values: Whether reports may hold what is in the data.
        only: Run these steps, or this one, alone, on what the newest earlier run in the workspace left.
        from_step: Run this step and all after it.
        until: Run all before this step, and it.
        registry: What an earlier execution left, its file or an `S3OutputPathRegistry`: steps read that.
        cache: Whether what a step left in an earlier run is taken over where nothing it depends on has changed.
        force: Steps, or one, that run in any case.
        max_size: When the runs in the workspace take more, the oldest are removed.
        observer: Is called with each event, from several threads.
        pdb: Whether the steps in `only` run in Python's debugger on this process's terminal, with engine `process`.
        update_schemas: Whether the schemas that are seen are written beside the document, for later runs to be held to.
        again: The earlier run that it repeats, or the steps of that which it is about; see `rerun`.

    Raises:
        DocumentError: The documents are wrong, and nothing was started.
        EngineError: The engine isn't there, or could not go on.
        WorkspaceError: The workspace can't be used, or another run holds it.

    Examples:
        >>> import cursus_sandbox
        >>> result = cursus_sandbox.run("examples/xgboost/dag.yaml", engine="local", until="DummyDataLoading")
        >>> result.success, result.exit_code
        (True, <ExitCode.OK: 0>)
        >>> [step.step for step in result.steps if step.status != "skipped"]
        ['DummyDataLoading']
        >>> (result["DummyDataLoading"].outputs["DATA"] / "part-00000.parquet").exists()
        True
    """
    only, force = several(only), several(force)
    options = {name: value for name, value in locals().items() if name != "document"}
    request = request_of(document, options)
    jobs, most = option("jobs", count, jobs), option("max_size", size, max_size)
    blessed_before = _blessed_before(document) if update_schemas else None
    partly = again if again and again.steps else None
    selection = Selection(partly.steps) if partly else Selection(only=only, first=from_step, last=until)
    resolver = _resolver(document, options, golden=not update_schemas)
    planned = resolver.create_execution_plan(
        runnable=True, strict=strict, registry=_registry(registry), selection=selection
    )
    if pdb:
        planned = _tried_once(planned)
    chosen = selection.steps(planned)
    images = [step.image for step in planned.steps if step.starts and step.image and step.name in chosen]
    from cursus_sandbox.executor import PipelineExecutor
    from cursus_sandbox.site_choice import site, store_of

    where = site(scheduler, engine, images, Path(workspace), store_of(store, scheduler, resolver.overrides.s3), pdb=pdb)
    with where as (place, notes), resolver.telling_lines():
        executor = PipelineExecutor(
            workspace,
            site=place,
            jobs=1 if pdb else jobs,
            fail_fast=fail_fast,
            strict=strict,
            values=values,
            pull=pull,
            cache=cache,
            force=(*force, *only) if pdb else partly.failed if partly else force,
            forced_by="--pdb" if pdb else str(again or ""),
            max_size=most,
            notes=(*notes, *([f"run {partly.run} once more, as far as it did not end well"] if partly else ())),
            observer=observer,
        )
        earlier = partly.run if partly else None
        result = executor.execute_pipeline(planned, selection=selection, outputs_of=earlier, request=request)
    if blessed_before is None:
        return result
    from cursus_sandbox.blessing import blessed

    return result.model_copy(update={"notes": (*result.notes, *blessed(*blessed_before, planned, result))})


def rerun(
    earlier: str = "last",
    *,
    failed: bool = False,
    fail_fast: bool = False,
    workspace: AnyPath = WORKSPACE,
    observer: Observer | None = None,
) -> PipelineExecutionResult | None:
    """Run what an earlier run ran, with the same document and options; in full, and nothing is taken over.

    With `failed` only the steps that it has not brought to a good end, on what it left of the others; None where there
    are none. Raises DocumentError where it still runs, or was run from Python on objects.
    """
    from cursus_sandbox.runs.history import kept_run

    refuse_empty({"workspace": workspace})
    kept = kept_run(Path(workspace), earlier)
    if kept.is_running:
        raise DocumentError([Problem(f"run {kept.name} still runs", hint="Wait for its end, or end it.")])
    request = read_request(kept.folder)
    if request is None:
        hint = "Run its document again:  cursus-sandbox run DOCUMENT"
        raise DocumentError([Problem(f"run {kept.name} does not say what it was asked for", hint=hint)])
    document, options = request
    if isinstance(options.get("data_source"), dict):
        from cursus_sandbox.pipeline.source import Synthetic

        options["data_source"] = Synthetic.model_validate(options["data_source"])
    options["fail_fast"] = fail_fast or options.get("fail_fast", False)
    if not failed:
        options["cache"] = False
        return run(document, workspace=workspace, observer=observer, **options, again=Again(kept.name))
    skipped = [str(step.get("name")) for step in kept.plan.get("steps", ()) if step.get("skip")]
    again = unfinished(kept.result or kept.so_far, skipped)
    if again is None:
        return None
    return run(document, workspace=workspace, observer=observer, **options, again=again)


def _blessed_before(document: Document) -> tuple[Path, GoldenSchemas]:
    """The document that schemas are blessed beside, and those that were; DocumentError if there is none."""
    if isinstance(document, Pipeline | PipelineDAG):
        hint = "Run the document of the pipeline, a file."
        raise DocumentError([Problem("a pipeline in memory has no place for the schemas that are blessed", hint=hint)])
    from cursus_sandbox.documents.golden import read_golden

    return Path(document), read_golden(Path(document)).schemas


def shell(step: str, command: Sequence[str] = (), *, workspace: AnyPath = WORKSPACE) -> int:
    """Run a command, or a shell, on this process's terminal in the sandbox of a failed step; gives its exit code.

    `step` is `STEP`, of the newest run, or `RUN:STEP`. Raises DocumentError where there is no such sandbox,
    MachineError where it can't be made again.
    """
    from cursus_sandbox.reports.shell import shell_lines
    from cursus_sandbox.reports.text import printable
    from cursus_sandbox.runs.history import step_of
    from cursus_sandbox.runs.shells import open_shell
    from cursus_sandbox.secrets.secret_values import values_of
    from cursus_sandbox.steps.shell import failed_job, image_of, lay_out, shell_job

    refuse_empty({"workspace": workspace})
    run, name = step_of(Path(workspace), step)
    failed, kept = failed_job(run, name)
    job = kept.job
    lay_out(kept)
    engine, _ = choose_engine(kept.engine, ())
    with engine, open_shell(Path(workspace), kept.engine) as place:
        image = image_of(kept, run.result.images if run.result else {}, engine)
        secrets, missing = values_of(name, kept.secrets, os.environ, engine=engine)
        variables = {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
        said = [f"note: {problem.what}; the shell opens without it" for problem in missing]
        if not command:
            own = (*job.entrypoint, *job.argv) if job.entrypoint else ()
            attempt = None if engine.makes_mounts else job.scratch.parent
            said = [*shell_lines(failed, run=run.name, command=own, folder=attempt), *said]
        sys.stderr.write("".join(f"{printable(line)}\n" for line in said))
        sys.stderr.flush()
        given = shell_job(kept, place, command=several(command), variables=variables, mounts=engine.makes_mounts)
        return secrets.handed_by(engine, place.hidden).attended(replace(given, image=image))


def clean(
    workspace: AnyPath = WORKSPACE,
    *,
    keep: int | None = None,
    older_than: float | str | None = None,
    max_size: int | str | None = None,
    dry_run: bool = False,
) -> Pruned:
    """Remove earlier runs of a workspace beyond all that is given, and what killed runs left; the newest run stays.

    Args:
        workspace: The folder where runs are kept.
        keep: How many runs stay.
        older_than: An age, in seconds or as `7d`.
        max_size: What the runs may take together, in bytes or as `10g`.
        dry_run: Whether to say only what would be removed: nothing is written, and a run may go on meanwhile.

    Raises:
        DocumentError: There is no workspace, or an option can't be.
        WorkspaceError: A run holds it, or it can't be written to.

    Examples:
        >>> import cursus_sandbox
        >>> cursus_sandbox.clean(keep=5).removed
        ()
    """
    from cursus_sandbox.runs.pruning import Bounds, pruned
    from cursus_sandbox.runs.recovery import engines_of_the_dead, recovery
    from cursus_sandbox.runs.workspace import Workspace

    refuse_empty({"workspace": workspace})
    folder = Path(workspace)
    if not (folder / "runs").is_dir():
        raise DocumentError([Problem(f"no run is kept in {folder}", hint="Is it another folder?  --workspace DIR")])
    seconds = option("older_than", duration, older_than)
    age = timedelta(seconds=seconds) if seconds is not None else None
    bounds = Bounds(option("keep", count, keep), age, option("max_size", size, max_size))
    if dry_run:
        return pruned(folder, bounds, dry_run=True)
    with Workspace(folder) as held:
        said: tuple[str, ...] = ()
        if left := engines_of_the_dead(held):
            with ExitStack() as engines:
                said = recovery(held, [engines.enter_context(one) for one in _reachable(left)])
        return replace(pruned(folder, bounds), said=said)


def _reachable(names: Iterable[str]) -> Iterator[Engine]:
    """The engines of these names that can be had."""
    for name in sorted(set(names)):
        with suppress(EngineError):
            yield choose_engine(name, ())[0]


def _resolver(document: Document, options: Mapping[str, Any], *, golden: bool = True) -> PipelineDAGResolver:
    """The resolver of a document, with the options of `plan`, `check` or `run` by their names."""
    refuse_empty({"document": document, **options})
    return PipelineDAGResolver(
        document,
        config_path=options["config"],
        contracts=with_environment(options["contracts"]),
        overrides=Overrides.of(options),
        lenient=options["lenient"],
        unfed=unfed_of(options["data_source"]),
        golden=golden,
    )


def _registry(given: AnyPath | S3OutputPathRegistry | None) -> S3OutputPathRegistry | None:
    if given is None:
        return None
    from cursus_sandbox.inputs.registry import S3OutputPathRegistry

    return given if isinstance(given, S3OutputPathRegistry) else S3OutputPathRegistry.read(given)


def _tried_once(plan: PipelineExecutionPlan) -> PipelineExecutionPlan:
    """The plan without retries: whoever leaves the debugger has seen enough."""
    return replace(plan, steps=tuple(replace(step, retries=NEVER) for step in plan.steps))


def with_environment(given: Contracts) -> Contracts:
    """The contracts and folders given, then the folders of the environment."""
    listed = os.environ.get(CONTRACTS_VARIABLE, "")
    return [*several(given), *(one for one in listed.split(os.pathsep) if one)]
