"""The inputs of one step: each bound and why, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cursus_sandbox.errors import Problem, did_you_mean, nearly
from cursus_sandbox.pipeline.contract import KINDS, TRAINING_DATA, ScriptContract, StepKind
from cursus_sandbox.pipeline.cursus_config import EffectiveConfig
from cursus_sandbox.pipeline.dag import Distribution, Pipeline, PipelineDefaults, StepConfiguration
from cursus_sandbox.pipeline.plan import PlannedInput
from cursus_sandbox.pipeline.source import Located, S3Objects, S3Settings, Source, StepOutput, Synthetic, Unfed
from cursus_sandbox.pipeline.wiring import Wiring, outputs_of, wirings
from cursus_sandbox.tables.schema import TableSchema, merged

# PackageConfig: the source folder, unless inference_scripts_dir is another.
_SOURCE_DIR, _SCRIPTS = "inference_scripts_source", "inference_scripts_dir"
_HYPERPARAMETERS, _SKIP = "hyperparameters_s3_uri", "skip_hyperparameters_s3_uri"

Contracts = Mapping[str, tuple[ScriptContract, str | None]]  # each step's contract and job type


class StepInputs:
    """What was decided: `bound` inputs, `problems` with required or pinned ones, `notes` on what is worth a look."""

    def __init__(
        self,
        name: str,
        *,
        pipeline: Pipeline,
        contracts: Contracts,
        depends_on: Sequence[str],
        config: EffectiveConfig | None = None,
        lenient: bool = False,
        unfed: Unfed | None = None,
    ) -> None:
        self.bound: list[PlannedInput] = []
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self._name = name
        self._pipeline = pipeline
        self._config = config
        self._lenient = lenient
        self._unfed = unfed
        self._is_first = not depends_on
        self._contracts = contracts
        self._contract = contracts[name][0]
        self._step = pipeline.steps.get(name, StepConfiguration())
        self._candidates = outputs_of(depends_on, {before: contracts[before][0] for before in depends_on})
        ports = self._contract.inputs
        unmounted = _unmounted(self._contract, config)
        elsewhere = {*self._step.inputs, *self._contract.local_inputs, *unmounted}
        wired = wirings(
            {key: port for key, port in ports.items() if key not in elsewhere},
            self._candidates,
            taken=[source for source in self._step.inputs.values() if isinstance(source, StepOutput)],
        )
        for channel in ports:
            if channel in unmounted:
                if channel in self._step.inputs:
                    self.notes.append(f"input '{channel}' is not mounted: {unmounted[channel]}")
            elif (source := self._step.inputs.get(channel)) is not None:
                self._bind(channel, source, Wiring())
            elif channel in self._contract.local_inputs:
                self._take_local(channel)
            else:
                self._take(channel, wired.get(channel, Wiring()))
        if not self.problems:
            self.notes += self._empty_edges(depends_on)

    def _take(self, channel: str, wired: Wiring) -> None:
        """Bind what was found for an input that nobody pinned, or say why not."""
        required = self._contract.inputs[channel].required
        listed = ", ".join(map(str, wired.rivals))
        several = f"several outputs fit it equally well: {listed}"
        equal = several if len(wired.rivals) > 1 else f"{listed} fits it as well as another of its inputs"
        if wired.binding is not None and wired.evidence is not None:
            if not (wired.evidence.named or wired.evidence.listed):
                why = ", ".join(wired.evidence.reasons)
                self.notes.append(f"input '{channel}' <- {wired.binding} is a guess ({why}): pin it if it is right")
            self._bind(channel, wired.binding, wired)
        elif not required and wired.rivals:
            self.notes.append(f"optional input '{channel}' stays unbound: {equal}; pin one")
        elif wired.rivals:
            self._refuse(channel, equal, f"Pin one:  inputs: {{{channel}: {wired.rivals[0]}}}")
        elif self._fed_from_outside(channel):
            return
        elif required and self._lenient and self._candidates:
            first = self._candidates[0].source
            why = "nothing fits it, and --lenient takes the first output there is"
            self.notes.append(f"input '{channel}' <- {first}: {why}")
            self._bind(channel, first, Wiring(), reason="first available output (--lenient)")
        elif required:
            offered = ", ".join(str(one.source) for one in self._candidates)
            nothing = "no step before it leaves anything"
            what = f"no output of its predecessors fits: {offered}" if offered else nothing
            self._refuse(channel, what, f"Bind it:  inputs: {{{channel}: step:channel or ./folder}}")

    def _fed_from_outside(self, channel: str, because: str = "") -> bool:
        """Whether the data source of inputs that nothing feeds takes care of this one: binds it, or says why not."""
        match self._unfed_source(channel):
            case Synthetic() as made_up:
                self._bind(channel, made_up, Wiring(), reason=f"made up from its schema{because}")
            case S3Objects() as objects:
                self._bind(channel, objects, Wiring(), reason=f"below the prefix of S3{because}")
            case None if isinstance(self._unfed, S3Settings) and self._contract.inputs[channel].required:
                self._refuse(
                    channel, "no prefix of S3 is given where it could be", "Give it:  s3: {prefix: s3://BUCKET/PREFIX}"
                )
            case None:
                return False
        return True

    def _unfed_source(self, channel: str) -> Synthetic | S3Objects | None:
        """Where an input comes from that nothing feeds; of one that isn't required, none where it can't be known."""
        required = self._contract.inputs[channel].required
        match self._unfed:
            case Synthetic() if (required or self._is_first) and self._schema(channel).fields:
                return self._unfed
            case S3Settings() if required:
                settings = self._unfed.over(self._pipeline.defaults.s3)
                if settings.prefix is not None:
                    uri = f"{settings.prefix.rstrip('/')}/{self._name}/{channel}"
                    return S3Objects(uri=uri, **settings.model_dump(exclude={"prefix"}))
        return None

    def _take_local(self, channel: str) -> None:
        """Bind, or ask for, an input that Cursus takes from the configuration: no step before it can feed it.

        Cursus always mounts it, required or not (ProcessingHandler.get_inputs).
        """
        named = self._contract.local_inputs[channel]
        folder = self._step.source_dir or self._pipeline.defaults.source_dir
        if named == _SOURCE_DIR and folder is not None:
            other = self._config.values.get(_SCRIPTS) if self._config else None
            unless = f"not {_SCRIPTS}, {other}: paths of a configuration aren't read" if other else ""
            why = unless or "as it is in Cursus unless it says otherwise"
            self.notes.append(f"input '{channel}' is the source folder, {why}")
            self._bind(channel, Located(path=folder), Wiring(), reason=f"the configuration's {named}")
        elif not self._fed_from_outside(channel):
            what = f"Cursus takes it from the configuration ({named}), never from a step"
            bind = f"Bind it:  inputs: {{{channel}: ./folder}}"
            if self._contract.inputs[channel].required:
                self._refuse(channel, what, bind)
            else:
                self.notes.append(f"input '{channel}' stays unbound, which it never is in AWS: {what}. {bind}")

    def _bind(self, channel: str, source: Source, wired: Wiring, reason: str = "pinned") -> None:
        contract, port = self._contract, self._contract.inputs[channel]
        if isinstance(source, StepOutput) and (wrong := self._unreadable(channel, source)):
            if self._is_idle(source.step) and self._fed_from_outside(channel, f": nothing runs for {source.step}"):
                return
            if port.required or wired.evidence is None:
                self.problems.append(wrong)
            else:
                why = f"nothing runs for step '{source.step}'"
                self.notes.append(f"optional input '{channel}' stays unbound: {why}")
            return
        if port.path is None:
            return
        if isinstance(source, S3Objects):
            source = source.over(self._pipeline.defaults.s3)
        parts = contract.fan_out(channel)
        path = TRAINING_DATA if parts else contract.paths_of(channel)[0]
        if not parts and path not in (port.path, port.path / channel):
            why = f"a training job's inputs are channels; its contract says {port.path}"
            self.notes.append(f"input '{channel}' is at {path}: {why}")
        self.bound.append(
            PlannedInput(
                channel=channel,
                path=path,
                source=source,
                reason=", ".join(wired.evidence.reasons) if wired.evidence else reason,
                score=round(wired.evidence.score, 3) if wired.evidence else None,
                required=port.required,
                parts=parts,
                distribution=self._step.distribution.get(channel, Distribution.REPLICATED),
                table_schema=refined(port.table_schema, self._step.schemas.get(channel)),
            )
        )

    def _schema(self, channel: str) -> TableSchema:
        of_contract = self._contract.inputs[channel].table_schema
        return refined(of_contract, self._step.schemas.get(channel)) or TableSchema()

    def _refuse(self, channel: str, what: str, hint: str) -> None:
        asked = f"step '{self._name}' needs its input '{channel}'"
        self.problems.append(Problem(f"{asked}, and {what}", self._at(channel), hint))

    def _unreadable(self, channel: str, source: StepOutput) -> Problem | None:
        """Why nothing can be read from this output, if so."""
        contract, _ = self._contracts[source.step]
        step = self._pipeline.steps.get(source.step, StepConfiguration())
        reads = f"step '{self._name}' reads '{source}', but"
        if source.channel not in contract.outputs:
            what = f"{reads} '{source.step}' has no output '{source.channel}'"
            return Problem(what, self._at(channel), did_you_mean(source.channel, contract.outputs))
        if source.channel not in step.outputs and (why := why_skipped(contract, step, self._pipeline.defaults)):
            hint = f"Bind it to a folder:  steps: {{{source.step}: {{outputs: {{{source.channel}: ./folder}}}}}}"
            schema = f"steps: {{{self._name}: {{schemas: {{{channel}: {{fields: […]}}}}}}}}"
            made_up = schema if isinstance(self._unfed, Synthetic) else "--data-source synthetic"
            hint += f"\nOr have it made up from a schema:  {made_up}"
            return Problem(f"{reads} nothing runs for '{source.step}' ({why})", self._at(channel), hint)
        return None

    def _is_idle(self, name: str) -> bool:
        """Whether nothing runs for a step."""
        step = self._pipeline.steps.get(name, StepConfiguration())
        return why_skipped(self._contracts[name][0], step, self._pipeline.defaults) is not None

    def _at(self, channel: str) -> tuple[str, ...]:
        return ("steps", self._name, "inputs", channel)

    def _empty_edges(self, depends_on: Sequence[str]) -> list[str]:
        """What to say of the graph's edges over which nothing goes; `depends_on` may well be meant to order only."""
        carried = {one.source.step for one in self.bound if isinstance(one.source, StepOutput)}
        return [
            f"the edge from '{before}' carries nothing: no output of it feeds an input"
            for before in depends_on
            if before not in carried and before not in self._step.depends_on and self._contracts[before][0].outputs
            if self._unfed is None or not self._is_idle(before)
        ]


def _unmounted(contract: ScriptContract, config: EffectiveConfig | None) -> dict[str, str]:
    """The inputs that no job gets, each with the reason: the contract's, and what the configuration says of one.

    `skip_hyperparameters_s3_uri` is true in all of Cursus' training configurations unless they say otherwise
    (cursus/steps/configs; TrainingHandler.get_inputs).
    """
    unmounted = dict.fromkeys(contract.unmounted_inputs, "its contract's skip_inputs names it")
    if contract.kind is StepKind.TRAINING and config is not None and config.values.get(_SKIP, True):
        said = "is true" if _SKIP in config.values else "is true unless it says otherwise"
        unmounted[_HYPERPARAMETERS] = f"its configuration's {_SKIP} {said}, and the script has its own"
    return unmounted


def why_skipped(contract: ScriptContract, step: StepConfiguration, defaults: PipelineDefaults) -> str | None:
    """Why nothing runs for a step; None if it runs."""
    if step.outputs:
        return "its outputs are bound to folders"
    if step.skip:
        return "the document says skip"
    if contract.delegated:
        return "Cursus leaves it to an SDK of its own: it has no script to run here"
    if contract.kind is StepKind.NOTHING_TO_RUN:
        meant = nearly(contract.sagemaker_step_type, KINDS)
        return f"{contract.sagemaker_step_type} has no script to run here{f'; is it {meant}?' if meant else ''}"
    has_script = step.entry_point or contract.entry_point or contract.kind in (StepKind.MODEL, StepKind.TRANSFORM)
    if not has_script and not (step.image or defaults.image):  # an image may well start itself
        return "its contract has no entry point"
    return None


def refined(of_contract: TableSchema | None, of_step: TableSchema | None) -> TableSchema | None:
    """A contract's schema of a channel with the document's laid over it."""
    return merged(of_contract, of_step) if of_contract and of_step else of_step or of_contract
