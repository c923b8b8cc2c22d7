"""PipelineExecutor: what must be so before a plan is walked, and the walk in a workspace of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from cursus_sandbox.caching.earlier import earlier_outputs
from cursus_sandbox.documents import Contracts
from cursus_sandbox.engines.engine import Engine, EngineKind
from cursus_sandbox.errors import DocumentError, EngineError, Problem, did_you_mean
from cursus_sandbox.inputs.registry import S3OutputPathRegistry
from cursus_sandbox.inputs.sources import fetch
from cursus_sandbox.interruptions import Interruptions
from cursus_sandbox.outcomes import Provisions, Rules
from cursus_sandbox.overrides import Overrides, option, refuse_empty
from cursus_sandbox.pipeline.dag import Start
from cursus_sandbox.pipeline.events import Observer, Progress
from cursus_sandbox.pipeline.plan import PipelineExecutionPlan
from cursus_sandbox.pipeline.result import PipelineExecutionResult
from cursus_sandbox.pipeline.selection import Selection
from cursus_sandbox.pipeline.values import count, several, size
from cursus_sandbox.planning import DataSource, Document, PipelineDAGResolver, unfed_of
from cursus_sandbox.runs.pruning import GIB, MOST_BY_DEFAULT, Bounds, own_size, pruned
from cursus_sandbox.runs.recovery import recovery
from cursus_sandbox.runs.request import REQUEST, refuse_other_than_text
from cursus_sandbox.runs.workspace import Workspace
from cursus_sandbox.secrets.secret_values import secret_values
from cursus_sandbox.steps.site import Site, ThisMachine
from cursus_sandbox.tables.memo import Memo
from cursus_sandbox.walk import Walk

AnyPath = str | os.PathLike[str]
TestingMode = Literal["pre_execution", "post_execution"]


def _nobody_listens(_: object) -> None:
    pass


class PipelineExecutor:
    """Runs pipelines in a workspace, on an engine: the local one if none is given.

    `jobs` is how many steps may run at once (default: one per processor). With `fail_fast` the first failure stops
    the steps that run and starts no other; without, only what depends on the failed step is skipped. `observer` is
    called from several threads. With `strict` what SageMaker would lose of a step's files, and what is odd about
    its data, fails it; without `values` no report holds what was in the data. What a step left in an earlier run is
    taken over where nothing that it depends on has changed, but not without `cache`, nor for the steps in `force`:
    `forced_by` is what the result says of why these ran.
    When the workspace takes more than `max_size` bytes, the oldest runs are removed.
    `notes` are carried into the result. `environment` is where the secrets of steps are looked for, this process's own
    if none is given.
    `contracts`, `source_dir` and `image` are for a document or graph that doesn't name its own, such as a bare
    PipelineDAG. An engine serves one run at a time. With a `site` steps run there, and `engine` is not looked at.
    With `testing_mode="post_execution"` steps read what those before them have left in the execution that the
    `registry` knows: those of a selection what the others have left; where all run, each of them.
    """

    def __init__(  # noqa: PLR0913 -- options are many
        self,
        workspace_dir: AnyPath,
        *,
        engine: Engine | None = None,
        site: Site | None = None,
        contracts: Contracts = (),
        source_dir: AnyPath | None = None,
        image: str | None = None,
        jobs: int | None = None,
        fail_fast: bool = False,
        strict: bool = False,
        values: bool = True,
        pull: bool = False,
        cache: bool = True,
        force: Iterable[str] = (),
        forced_by: str = "",
        max_size: int | None = MOST_BY_DEFAULT,
        observer: Observer | None = None,
        notes: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        testing_mode: TestingMode = "pre_execution",
        registry: S3OutputPathRegistry | None = None,
    ) -> None:
        refuse_empty({"workspace_dir": workspace_dir, "source_dir": source_dir, "image": image})
        self.workspace_dir = Path(workspace_dir)
        self.engine = engine
        self.site = site
        self.contracts = several(contracts)
        self.overrides = Overrides(image=image, source_dir=Path(source_dir) if source_dir is not None else None)
        self.jobs = option("jobs", count, jobs)
        self.fail_fast = fail_fast
        self.strict = strict
        self.values = values
        self.pull = pull
        self.cache = cache
        self.force = several(force)
        self.forced_by = forced_by
        self.max_size = option("max_size", size, max_size)
        self.observer = observer or _nobody_listens
        self.notes = notes
        self.environment = os.environ if environment is None else environment
        self.registry = registry
        if isinstance(engine, str):  # as `run` takes it
            hint = "Give it one, such as LocalEngine.connect(), or call run(), which takes the names of engines."
            raise DocumentError([Problem(f"engine: an executor takes an engine, not the name '{engine}'", hint=hint)])
        if problem := _wrong_mode(testing_mode, registry):
            raise DocumentError([problem])

    def execute_pipeline(
        self,
        dag: PipelineExecutionPlan | Document,
        data_source: DataSource = "local",
        *,
        selection: Selection = Selection(),
        outputs_of: str | None = None,
        request: Mapping[str, Any] | None = None,
    ) -> PipelineExecutionResult:
        """Run a plan, a document or a graph to its end.

        What steps that aren't chosen have left is taken from the run `outputs_of`, or from the newest that has it.
        `request` is kept with the run: what it takes to ask for it again.

        A failed step is in the result. Raises DocumentError when nothing could be started for what the documents say,
        MachineError when this machine could not go on; what had ended by then is in the run's folder.
        """
        if not isinstance(dag, PipelineExecutionPlan):
            unfed = unfed_of(data_source)
            resolver = PipelineDAGResolver(dag, contracts=self.contracts, overrides=self.overrides, unfed=unfed)
            planned = resolver.create_execution_plan(runnable=True, registry=self.registry, selection=selection)
            with resolver.telling_lines():
                return self.execute_pipeline(planned, selection=selection, outputs_of=outputs_of, request=request)
        planned = self.registry.rebound(dag, selection) if self.registry else dag
        chosen = selection.steps(planned)
        Selection(only=self.force).steps(planned)  # they must be there
        site = self.site or ThisMachine(self.engine or _local_engine(_named_images(planned, chosen)))
        plan = site.fitted(planned, chosen)
        written = plan.as_json()
        refuse_other_than_text([written, request])
        _refuse_servers(plan, chosen, site)
        images = _images(plan, chosen, site)
        alone = (*_on_one_host(plan, chosen, site, strict=self.strict), *_without_runtime(plan, chosen, site))
        starting = [step for step in plan.steps if step.starts and step.name in chosen]
        secrets = secret_values(starting, self.environment, engine=site)
        with Interruptions() as interruptions, site:
            for note in site.notes:
                self.observer(Progress(what=note))
            if images:
                self.observer(Progress(what=f"looking for {', '.join(images)}"))
            digests = site.require(  # before the workspace: what can't run leaves none
                images, pull=self.pull, fetching=self._fetching, runtimes=_runtimes(plan, chosen)
            )
            with Workspace(self.workspace_dir) as workspace:
                recovered = recovery(workspace, [site])
                reused = earlier_outputs(plan, chosen, workspace, first=outputs_of)
                seconds = workspace.seconds_of(plan.name)
                fetched = fetch(plan, chosen, workspace.folder / "downloads", self.observer)
                started = datetime.now().astimezone()
                folder = workspace.new_run(started, site.name)
                Memo(folder.checks).forget()
                folder.write("plan.json", written)
                if request is not None:
                    folder.write(REQUEST, request)
                given = Provisions(
                    site,
                    plan,
                    folder,
                    digests,
                    chosen=chosen,
                    reused=reused,
                    seconds=seconds,
                    secrets=secrets,
                    fetched=fetched,
                )
                with folder.journal() as journal:
                    walk = Walk(
                        Rules(
                            self.observer,
                            jobs=self.jobs,
                            fail_fast=self.fail_fast,
                            strict=self.strict,
                            values=self.values,
                            cache=self.cache,
                            force=self.force,
                            forced_by=self.forced_by,
                        ),
                        given,
                        journal,
                        notes=(*self.notes, *site.notes, *alone, *recovered, *fetched.notes),
                        started=started,
                    )
                    result = walk.result(interruptions)
                workspace.finished(folder.name)
                return result.model_copy(
                    update={"notes": (*result.notes, *self._bounded(workspace, own_size(folder.path) + fetched.size))}
                )

    def _bounded(self, workspace: Workspace, added: int) -> Iterator[str]:
        """Keep the workspace within its size: the oldest runs go, and what was fetched from S3 that no run has.

        To measure it takes a look at every file in it: that is done where it may have become too large.
        """
        size = workspace.grown(added)
        if self.max_size is None or (size is not None and size <= self.max_size):
            return
        done = pruned(workspace.folder, Bounds(size=self.max_size))
        workspace.measured(done.size)
        runs, objects = len(done.removed), done.downloads
        gone = [
            *([f"{runs} old run{'s' * (runs != 1)}"] if runs else []),
            *([f"{objects:,} object{'s' * (objects != 1)} fetched from S3"] if objects else []),
        ]
        most = f"{self.max_size / GIB:g} GiB"
        if gone:
            yield f"{' and '.join(gone)} removed: the workspace is to hold {most} at most (--max-size)"

    def _fetching(self, image: str, done: int, total: int) -> None:
        self.observer(Progress(what=f"fetching {image}", done=done, total=total))


def _on_one_host(
    plan: PipelineExecutionPlan, chosen: frozenset[str], engine: EngineKind, *, strict: bool
) -> tuple[str, ...]:
    """What to say where an engine runs one host of several; with `strict` that is an EngineError."""
    several = [step.name for step in plan.steps if step.starts and step.name in chosen and step.instance_count > 1]
    if not several or engine.makes_clusters:
        return ()
    what = f"{', '.join(several)}: several instances are asked for, and the {engine.name} engine has one host"
    if strict:
        raise EngineError(what, hint="Use --engine docker, or give the step  instance_count: 1.")
    return (f"{what}, which sees algo-1 alone and all of its input",)


def _without_runtime(plan: PipelineExecutionPlan, chosen: frozenset[str], engine: EngineKind) -> tuple[str, ...]:
    """What to say where containers of another runtime are asked for, and an engine has none."""
    asked = _runtimes(plan, chosen)
    if not asked or engine.runs_images:
        return ()
    return (f"the {engine.name} engine has no container runtimes: {', '.join(asked)} is not used",)


def _runtimes(plan: PipelineExecutionPlan, chosen: frozenset[str]) -> list[str]:
    return sorted({step.runtime for step in plan.steps if step.starts and step.name in chosen and step.runtime})


def _local_engine(images: list[str]) -> Engine:
    """The engine when none was given; EngineError where an image was asked for, which it would leave aside."""
    if images:
        raise EngineError(
            f"{', '.join(images)} was asked for, and the executor was given no engine that runs images",
            hint="Give it one, engine=DockerEngine.connect(), or engine=LocalEngine.connect() to do without images.",
        )
    from cursus_sandbox.engines.local import LocalEngine  # noqa: PLC0415 -- only where it is wanted

    return LocalEngine.connect()


def _wrong_mode(testing_mode: str, registry: S3OutputPathRegistry | None) -> Problem | None:
    """What is wrong with a mode that there isn't, or that has no registry to go by, or one that it doesn't read."""
    if testing_mode not in get_args(TestingMode):
        return Problem(
            f"there is no testing_mode {testing_mode!r}", hint=did_you_mean(str(testing_mode), get_args(TestingMode))
        )
    if testing_mode == "post_execution" and registry is None:
        what = "testing_mode is post_execution, and no registry says what was written in that execution"
        return Problem(what, hint='Read one:  registry=S3OutputPathRegistry.read("registry.json")')
    if testing_mode == "pre_execution" and registry is not None:
        what = "a registry is given, and testing_mode is pre_execution, which reads none"
        return Problem(what, hint='To read it:  testing_mode="post_execution"')
    return None


def _refuse_servers(plan: PipelineExecutionPlan, chosen: frozenset[str], engine: EngineKind) -> None:
    """EngineError, before anything runs, for transforms on an engine that can't reach a server."""
    serving = [step.name for step in plan.steps if step.starts and step.transform and step.name in chosen]
    if serving and not engine.makes_mounts:
        raise EngineError(
            f"step '{serving[0]}' is a transform, and the {engine.name} engine can't run a model's server",
            hint="Use --engine docker or --engine local, or leave the step out:  skip: true.",
        )


def _images(plan: PipelineExecutionPlan, chosen: frozenset[str], engine: EngineKind) -> list[str]:
    """The images this run needs; DocumentError for a step without one, where the engine can't do without."""
    if not engine.runs_images:
        problems = [
            Problem(
                f"step '{step.name}' is started by its image, and the engine '{engine.name}' runs none",
                hint="Run it in containers:  --engine docker, or leave it out:  steps: {STEP: {skip: true}}",
            )
            for step in plan.steps
            if step.starts and step.name in chosen and step.start is Start.IMAGE
        ]
        if problems:
            raise DocumentError(problems)
        return []
    problems = [
        Problem(f"step '{step.name}' has no image", hint="Name one:  --image NAME, or run it here:  --engine local")
        for step in plan.steps
        if step.starts and step.name in chosen and step.image is None
    ]
    if problems:
        raise DocumentError(problems)
    return _named_images(plan, chosen)


def _named_images(plan: PipelineExecutionPlan, chosen: frozenset[str]) -> list[str]:
    return sorted({step.image for step in plan.steps if step.starts and step.name in chosen and step.image})
