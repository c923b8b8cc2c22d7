"""Which configuration a step takes, how sure that is, and what is said where it can't be told."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from small import contract, pipeline

from cursus_sandbox.errors import DocumentError
from cursus_sandbox.pipeline.config_matching import ConfigTier
from cursus_sandbox.pipeline.cursus_config import CursusConfigs
from cursus_sandbox.pipeline.dag import PipelineDAG
from cursus_sandbox.pipeline.resolver import Resolver

TYPES = ("Split", "Fit", "FitModelEval", "Pack")
CONTRACTS = {name: contract(name, optional_env_vars={"LABEL_FIELD": "label"}) for name in TYPES}


class FitConfig(BaseModel):
    """A configuration object, as Cursus hands them around."""

    label_name: str
    job_type: str | None = None


def config(config_class=None, **values):
    """What one key of the file says."""
    return {**({"__model_type__": config_class} if config_class else {}), **values}


def resolver(steps, configs, metadata=None):
    """The resolver of unconnected steps, given by name or with what the document says of each."""
    made = pipeline(steps if isinstance(steps, dict) else {name: {} for name in steps})
    return Resolver(made, contracts=CONTRACTS, available_configs=configs, metadata=metadata)


def chosen(step, configs, metadata=None):
    """The key, tier and confidence of the configuration that a single step takes."""
    one = resolver([step], configs, metadata).preview_resolution()[step].chosen
    return one and (one.key, one.tier, one.confidence)


def problems(steps, configs, metadata=None):
    """What is wrong with the configurations, and where."""
    with pytest.raises(DocumentError) as caught:
        resolver(steps, configs, metadata).create_execution_plan()
    return [(one.what, one.at[-1], one.hint) for one in caught.value.problems]


def notes(steps, configs, metadata=None):
    """What a plan notes."""
    return resolver(steps, configs, metadata).create_execution_plan().notes


def named_after_a_step(cls):
    """The class under the name that Cursus would give it."""
    cls.__name__ = "FitConfig"
    return cls


@dataclass
class Hyperparameters:
    """What Cursus' training configurations have inside."""

    label_name: str


@named_after_a_step
@dataclass
class DataclassConfig:
    """A dataclass with a default."""

    label_name: str
    job_type: str | None = None


@named_after_a_step
@dataclass(slots=True)
class SlotsConfig:
    """One that keeps its attributes in slots, and its label in a configuration inside."""

    hyperparameters: Hyperparameters
    job_type: str | None = None


@named_after_a_step
class PlainConfig:
    """An object whose attributes are its class's and its own; methods, properties and private ones don't count."""

    job_type = None
    _label_name = "private"

    def __init__(self, label_name):
        self.label_name = label_name

    @property
    def not_asked(self):
        """What can't be had without work."""
        raise AssertionError


@named_after_a_step
class OuterConfig:
    """An object that has its hyperparameters as one."""

    def __init__(self, label_name):
        self.hyperparameters = PlainConfig(label_name)


@pytest.mark.parametrize(
    "given",
    [
        {"label_name": "y"},
        FitConfig(label_name="y"),
        DataclassConfig("y"),
        SlotsConfig(Hyperparameters("y")),
        PlainConfig("y"),
        OuterConfig("y"),
        SimpleNamespace(label_name="y"),
        {"hyperparameters": Hyperparameters("y")},
    ],
    ids=["mapping", "pydantic", "dataclass", "slots", "plain", "outer", "namespace", "dataclass in a mapping"],
)
def test_a_configuration_is_a_mapping_or_any_object(given):
    """What a configuration says is read from a mapping, a pydantic model, a dataclass or any object's attributes."""
    step = resolver(["Fit"], {"Fit": given}).create_execution_plan().step_configs["Fit"]
    assert (step.environment["LABEL_FIELD"].value, step.config.chosen.tier) == ("y", ConfigTier.DIRECT)


@pytest.mark.parametrize(
    ("given", "what", "hint"),
    [
        ("config.json", "of type str", "It is a mapping, or an object with attributes."),
        (None, "of type NoneType", "It is a mapping, or an object with attributes."),
        ([{"label_name": "y"}], "of type list", "It is a mapping, or an object with attributes."),
        (FitConfig, "the class FitConfig", "Make one:  FitConfig(…)."),
    ],
)
def test_what_is_no_configuration(given, what, hint):
    """What is neither is refused, with the key it is given under; all of them at once."""
    with pytest.raises(DocumentError) as caught:
        resolver(["Fit"], {"Fit": given, "Pack": 7})
    first, second = caught.value.problems
    assert (first.what, first.hint) == (f"the configuration 'Fit' is {what}, and no configuration", hint)
    assert second.what == "the configuration 'Pack' is of type int, and no configuration"


TRAINING = config("SplitConfig", job_type="training")
CALIBRATION = config("SplitConfig", job_type="calibration")


@pytest.mark.parametrize(
    ("step", "configs", "types", "expected"),
    [
        ("Split_x", {"Split_x": TRAINING, "split_x": TRAINING}, {}, ("Split_x", ConfigTier.DIRECT, 1.0)),
        ("Split_x", {"split_X": config()}, {}, ("split_X", ConfigTier.DIRECT, 0.99)),
        ("Split_x", {"split_X": config(), "SPLIT_x": config()}, {}, None),
        ("Fit", {"FIT": config("PackConfig")}, {}, ("FIT", ConfigTier.DIRECT, 0.99)),
        ("Split_training", {"a": TRAINING, "b": CALIBRATION}, {"a": "SplitConfig"}, ("a", ConfigTier.METADATA, 0.95)),
        (
            "Split_training",
            {"a": TRAINING, "b": CALIBRATION},
            {"Split_training": "SplitConfig"},
            ("a", ConfigTier.METADATA, 0.95),
        ),
        ("Split", {"a": TRAINING}, {"a": "SplitConfig"}, ("a", ConfigTier.METADATA, 0.9)),
        ("Split", {"a": TRAINING, "b": CALIBRATION}, {"a": "SplitConfig", "b": "SplitConfig"}, None),
        ("Split_training", {"a": TRAINING, "b": CALIBRATION}, {}, ("a", ConfigTier.JOB_TYPE, 0.94)),
        ("Split_training", {"Split_training_old": config()}, {}, ("Split_training_old", ConfigTier.JOB_TYPE, 0.892)),
        ("Split_calib", {"a": TRAINING, "b": CALIBRATION}, {}, ("b", ConfigTier.JOB_TYPE, 0.85)),
        ("Split_testing", {"a": config("SplitConfig", job_type="evaluation")}, {}, ("a", ConfigTier.JOB_TYPE, 0.813)),
        ("Split_x", {"Split": config()}, {}, ("Split", ConfigTier.SEMANTIC, 0.7)),
        ("Split", {"a": TRAINING}, {}, ("a", ConfigTier.SEMANTIC, 0.7)),
        ("Split_delta", {"a": TRAINING}, {}, ("a", ConfigTier.SEMANTIC, 0.562)),
        ("Pack", {"packaging": config()}, {}, None),
        ("FitModelEval", {"evaluator": config()}, {}, ("evaluator", ConfigTier.PATTERN, 0.6)),
        (
            "FitModelEval_calibration",
            {"evaluator": config(job_type="calib")},
            {},
            ("evaluator", ConfigTier.PATTERN, 0.8),
        ),
        ("FitModelEval", {"a": config("FitConfig")}, {}, None),
        ("Fit", {"a": config("FitModelEvalConfig", job_type="training")}, {}, None),
        ("Split", {}, {}, None),
    ],
)
def test_tiers(step, configs, types, expected):
    """A step takes the configuration of the highest tier; of two that fit equally well none, of another type never."""
    assert chosen(step, configs, {"config_types": types}) == expected


def test_classes_by_their_names():
    """A class is for the step type it is named after, with or without `Step`, in whichever case."""
    for name in ("FitConfig", "FitStepConfig", "fitconfig".replace("config", "Config")):
        assert chosen("Fit", {"a": config(name)}) == ("a", ConfigTier.SEMANTIC, 0.7)


def test_classes_that_a_contract_names():
    """A class that is named after no step type is for the one whose contract names it."""
    made = Resolver(
        PipelineDAG(nodes=("Fit",)),
        contracts={"Fit": contract("Fit", config_class="ModelSettings")},
        available_configs={"a": config("ModelSettings")},
    )
    (step,) = made.create_execution_plan().steps
    assert (step.config.chosen.key, step.notes) == ("a", ())


def test_configuration_objects():
    """Cursus' own objects serve as well as mappings: their class is their type's name."""
    made = resolver(["Fit_x"], {"Fit_y": FitConfig(label_name="late", job_type="x")})
    (step,) = made.create_execution_plan().steps
    assert step.config.chosen.tier is ConfigTier.JOB_TYPE
    assert step.environment["LABEL_FIELD"].value == "late"


def test_a_bare_graph_previews():
    """A graph, contracts and configurations are enough to ask which step takes which, with all candidates."""
    made = Resolver(
        PipelineDAG(nodes=("Split_training", "Fit")),
        contracts=CONTRACTS,
        available_configs={"Split_training": TRAINING, "Split_calibration": CALIBRATION, "Fit": config("FitConfig")},
        metadata={"config_types": {"Fit": "FitConfig"}},
    )
    preview = made.preview_resolution()
    assert [(one.key, one.tier) for one in preview["Split_training"].candidates] == [
        ("Split_training", ConfigTier.DIRECT),
        ("Split_calibration", ConfigTier.SEMANTIC),
    ]
    assert [one.key for one in preview["Fit"].candidates] == ["Fit"]


def test_nothing_to_preview():
    """Without configurations there is nothing to resolve, and the plan says nothing of them."""
    made = resolver(["Split"], None)
    assert made.preview_resolution() == {}
    (step,) = made.create_execution_plan().steps
    assert (step.config, step.notes) == (None, ())


def test_explained_plans_keep_all_candidates():
    """A plan keeps what was chosen; asked to explain, also what else it might have been."""
    made = resolver(
        ["Split_training", "Split_calibration"], {"Split_training": TRAINING, "Split_calibration": CALIBRATION}
    )
    assert [len(step.config.candidates) for step in made.create_execution_plan().steps] == [1, 1]
    explained = made.create_execution_plan(explain_config=True)
    assert [len(step.config.candidates) for step in explained.steps] == [2, 2]
    assert explained.as_json()["steps"][0]["config"]["others"][0]["reason"].startswith("same step type")


def test_of_many_candidates_the_best_are_kept():
    """Of a hundred configurations that fit equally well twenty-one are kept, and the others counted."""
    made = resolver(["Split"], {f"c{number:02}": config("SplitConfig") for number in range(100)})
    resolution = made.preview_resolution()["Split"]
    assert [one.key for one in resolution.rivals] == [f"c{number:02}" for number in range(21)]
    assert resolution.more == 79
    (note,) = made.create_execution_plan().notes
    assert "('c00' and 'c01' and 'c02' and 97 more fit equally well)" in note


@pytest.mark.parametrize("job_type", ["j007", "j107", "j199", "j200"])
def test_of_many_job_types_the_same_one_is_found(job_type):
    """Among two hundred configurations for other job types the one for the step's own is found, explained or not."""
    configs = {f"c{number}": config("SplitConfig", job_type=f"j{number:03}") for number in range(1, 201)}
    steps = {f"Split_j{number:03}": {} for number in range(1, 201)}
    for explain in (False, True):
        plan = resolver(steps, configs).create_execution_plan(explain_config=explain)
        chosen = plan.step_configs[f"Split_{job_type}"].config.chosen
        assert (chosen.key, chosen.tier) == (f"c{int(job_type[1:])}", ConfigTier.JOB_TYPE)


def test_a_configuration_of_many_steps():
    """A configuration that fits a crowd of steps is one problem, which names the first of them."""
    steps = [f"Split_x{number}" for number in range(9)]
    ((what, key, _),) = problems(steps, {"a": config("SplitConfig")})
    assert (key, "the steps 'Split_x0' and 'Split_x1' and 'Split_x2' and 6 more equally well" in what) == ("a", True)


def test_contracts_the_document_names():
    """A step that the document gives a contract is matched by that contract's type."""
    preview = resolver({"mine": {"contract": "Split", "job_type": "training"}}, {"a": TRAINING}).preview_resolution()
    assert preview["mine"].chosen.tier is ConfigTier.JOB_TYPE


def test_steps_without_a_configuration():
    """A step for which there is none stays on its contract's defaults, and the plan says so."""
    made = resolver(["Fit", "Split"], {"Split": config(label_name="late")}).create_execution_plan()
    assert made.notes == ("Fit: no configuration was found for it (none fits): it runs on its contract's defaults",)
    setting = made.step_configs["Fit"].environment["LABEL_FIELD"]
    assert (setting.value, setting.origin) == ("label", "contract")


def test_equal_configurations():
    """Where two configurations fit a step equally well it takes neither, and the plan names both."""
    (note,) = notes(["Split"], {"Split_training": TRAINING, "Split_calibration": CALIBRATION})
    assert "('Split_calibration' and 'Split_training' fit equally well)" in note


def test_guesses_are_noted():
    """A configuration that is taken with little confidence is noted with the reason; a sure one is not."""
    (note,) = notes(["Split_delta", "Fit"], {"Split_training": TRAINING, "Fit": config()})
    assert note.startswith("Split_delta: its configuration 'Split_training' is a guess (semantic similarity, 0.56: ")
    assert notes(["Split_x"], {"Split": config()}) == ()


def test_steps_that_do_not_run_need_none():
    """A step that isn't run is not noted for having no configuration."""
    assert notes({"Fit": {"skip": True}, "Split": {}}, {"Split": config()}) == ()


def test_a_name_against_its_class():
    """A configuration that has a step's name and another type's class is noted."""
    (note,) = notes(["Fit"], {"Fit": config("PackConfig")})
    assert note == "Fit: its configuration 'Fit' is a PackConfig, and the step a Fit"


def test_keys_for_no_step():
    """A configuration that no step takes is a problem that names the nearest step without one."""
    found = problems(["Split", "Fit_a"], {"Split": config(), "Ftt_a": config(), "Pack": config("PackConfig")})
    assert found == [
        ("the configuration 'Ftt_a' is for no step of the pipeline", "Ftt_a", "Did you mean 'Fit_a'?"),
        (
            "the configuration 'Pack' (a PackConfig) is for no step of the pipeline",
            "Pack",
            "Take it away, or name it after its step.",
        ),
    ]


@pytest.mark.parametrize(
    ("key", "config_class"),
    [
        ("Base", None),
        ("base", None),
        ("Processing", "ProcessingStepConfigBase"),
        ("ProcessingBase", None),
        ("anything", "BasePipelineConfig"),
        ("anything", "ProcessingStepConfigBase"),
    ],
)
def test_bases_belong_to_all(key, config_class):
    """A base configuration is no step's own: no problem, never a candidate, and its values hold for all."""
    configs = {key: config(config_class, label_name="late"), "Split": config()}
    (step,) = resolver(["Split"], configs).create_execution_plan(explain_config=True).steps
    assert [one.key for one in step.config.candidates] == ["Split"]
    setting = step.environment["LABEL_FIELD"]
    assert (setting.value, setting.origin) == ("late", f"config: {key}.label_name")


def test_unknown_classes():
    """A class that no known step type has is a problem that names the nearest."""
    assert problems(["Fit"], {"Fit": config("FittConfig")}) == [
        (
            "the configuration 'Fit' is a 'FittConfig', and no known step type is configured by that",
            "__model_type__",
            "Did you mean 'FitConfig'?",
        )
    ]


def test_two_steps_on_one_configuration():
    """Two steps that one configuration fits equally well are a problem; not where one of them is named in it."""
    (problem,) = problems(["Fit_pretrain", "Fit_finetune"], {"Fit": config("FitConfig")})
    assert problem[0].startswith(
        "the configuration 'Fit' fits the steps 'Fit_pretrain' and 'Fit_finetune' equally well"
    )
    shared = resolver(["Split_training", "Split_delta"], {"Split_training": TRAINING}).create_execution_plan()
    assert {step.config.chosen.key for step in shared.steps} == {"Split_training"}


def test_all_problems_at_once():
    """What is wrong with the graph and with each configuration is said at one go."""
    with pytest.raises(DocumentError) as caught:
        resolver(
            {"Fit": {"depends_on": ["Fit"]}, "Split": {"depends_on": ["Splitt"]}},
            {"Fit": config("FittConfig"), "Lost": config()},
        ).create_execution_plan()
    assert len(caught.value.problems) == 4


LABELS = st.sampled_from(["", "training", "calibration", "testing", "evaluation", "delta", "train"])
KEYS = st.builds(lambda kind, label: f"{kind}_{label}".rstrip("_"), st.sampled_from(TYPES), LABELS)
CONFIGS = st.dictionaries(
    KEYS, st.fixed_dictionaries({}, optional={"job_type": LABELS, "__model_type__": st.sampled_from(["FitConfig"])})
)


@given(st.lists(KEYS, min_size=1, unique=True), CONFIGS, st.lists(KEYS, unique=True), st.randoms())
def test_any_order_resolves_alike(steps, configs, listed, random):
    """Whatever the order of steps and configurations, a step takes the same; its own name's, if there is one."""
    metadata = {"config_types": dict.fromkeys(listed, "FitConfig")}
    preview = resolver(steps, configs, metadata).preview_resolution()
    turned, keys = list(steps), list(configs)
    random.shuffle(turned)
    random.shuffle(keys)
    assert resolver(turned, {key: configs[key] for key in keys}, metadata).preview_resolution() == preview
    for step, one in preview.items():
        assert (one.chosen is not None and one.chosen.key == step) == (step in configs)
        assert all(0 < candidate.confidence <= 1 for candidate in one.candidates)
        ranks = [list(ConfigTier).index(candidate.tier) for candidate in one.candidates]
        assert ranks == sorted(ranks)


@given(CONFIGS)
def test_effective_values(configs):
    """A key's own values stand over its bases', and those over what is shared; each says where it stands."""
    shared = {"job_type": "shared", "region": "NA"}
    made = CursusConfigs.of({"Base": {"job_type": "base"}, **configs}, shared=shared)
    for key, values in configs.items():
        effective = made.effective(key, processing=True)
        assert effective.values["job_type"] == values.get("job_type", "base")
        assert effective.origin("job_type") == f"config: {key if 'job_type' in values else 'Base'}.job_type"
        assert effective.origin("region") == "config: shared.region"
