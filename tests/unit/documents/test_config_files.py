"""Cursus' configuration files: what is read of them, where they are named, and what is said of each mistake."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cursus_sandbox import PipelineDAGResolver, api
from cursus_sandbox.documents import read_config
from cursus_sandbox.errors import DocumentError

LOAD = """\
step_type: Load
contract:
  entry_point: load.py
  outputs: {rows: {path: /opt/ml/processing/output}}
"""
TRAIN = """\
step_type: Train
contract:
  entry_point: train.py
  inputs: {rows: {path: /opt/ml/processing/input/rows}}
  env_vars: {required: [LABEL_FIELD], optional: {REGION: EU, ROUNDS: "10"}}
"""
DAG = "contracts: .\nconfig: config.json\nsteps:\n  Load: {}\n  Train_a: {depends_on: [Load]}\n"
CONFIG = {
    "configuration": {
        "shared": {"region": "NA", "author": "somebody"},
        "specific": {
            "Load": {"__model_type__": "LoadConfig"},
            "Train_a": {"__model_type__": "TrainConfig", "job_type": "a", "label_name": "late", "rounds": 5},
        },
    },
    "metadata": {
        "created_at": "2026-01-01",
        "config_types": {"Load": "LoadConfig", "Train_a": "TrainConfig"},
        "field_sources": {"region": ["Load", "Train_a"]},
    },
}

NAME_IS_WRONG = (
    "2: configuration.specific.Load.env: 'A-B' can't name an environment variable: "
    "letters, digits and '_', no digit first"
)


@pytest.fixture
def write(tmp_path):
    """Write a file into the folder of a small pipeline; text as it is, anything else as JSON."""

    def written(content, name="config.json"):
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
        return file

    written(LOAD, "load.step.yaml")
    written(TRAIN, "train.step.yaml")
    written(DAG, "dag.yaml")
    return written


@pytest.fixture
def problems(write, tmp_path):
    """What is wrong with a configuration that the document names, as `line: what`."""

    def problems_of(content):
        write(content)
        with pytest.raises(DocumentError) as caught:
            api.plan(tmp_path / "dag.yaml")
        assert {one.file for one in caught.value.problems} == {tmp_path / "config.json"}
        return [f"{one.line}: {one.what}" for one in caught.value.problems]

    return problems_of


def with_config(**specific):
    """The small configuration with other values for some of its keys, one line each."""
    keys = CONFIG["configuration"]["specific"] | specific
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in keys.items())
    return f'{{"configuration": {{"shared": {{}}, "specific": {{\n{lines}}}}}}}'


def settings_of(plan, step="Train_a"):
    return {name: (one.value, one.origin) for name, one in plan.step_configs[step].environment.items()}


def test_a_document_names_its_configuration(write, tmp_path, monkeypatch):
    """`config:` is read from the document's folder, and sets what its steps' variables are."""
    write(CONFIG)
    monkeypatch.chdir("/")
    assert settings_of(api.plan(tmp_path / "dag.yaml")) == {
        "LABEL_FIELD": ("late", "config: Train_a.label_name"),
        "REGION": ("NA", "config: shared.region"),
        "ROUNDS": ("5", "config: Train_a.rounds"),
    }


def test_the_caller_names_another(write, tmp_path):
    """A configuration that the caller names is read instead of the document's, which then needs not be there."""
    other = write({"configuration": {"specific": {"Load": {}, "Train_a": {"label_name": "other"}}}}, "other.json")
    assert settings_of(api.plan(tmp_path / "dag.yaml", config=other))["LABEL_FIELD"][0] == "other"
    assert api.check.__kwdefaults__["config"] is api.run.__kwdefaults__["config"] is None


def test_a_cursus_graph_with_its_configuration(write, tmp_path):
    """A Cursus graph as it is, and its configuration beside it, are enough."""
    graph = write({"dag": {"nodes": ["Load", "Train_a"], "edges": [["Load", "Train_a"]]}}, "x.dag.json")
    made = api.plan(graph, contracts=[tmp_path], config=write(CONFIG))
    assert settings_of(made)["LABEL_FIELD"][0] == "late"


def test_the_resolver_of_a_document(write, tmp_path):
    """The resolver of a document tells which configuration each step would take."""
    preview = PipelineDAGResolver(tmp_path / "dag.yaml", config_path=write(CONFIG)).preview_resolution()
    assert {name: one.chosen.key for name, one in preview.items()} == {"Load": "Load", "Train_a": "Train_a"}


def test_what_the_caller_has_counts_before_the_file(write, tmp_path):
    """Configurations and classes that the caller has in hand count before those of the file, key by key."""
    made = PipelineDAGResolver(
        tmp_path / "dag.yaml",
        config_path=write(CONFIG),
        available_configs={"Train_a": {"label_name": "mine"}},
        metadata={"config_types": {"Load": "LoadConfig"}},
    ).create_execution_plan()
    assert settings_of(made)["LABEL_FIELD"] == ("mine", "config: Train_a.label_name")
    assert made.step_configs["Load"].config.chosen.key == "Load"


@pytest.mark.parametrize(
    ("content", "shared"),
    [
        ({"configuration": {}}, {}),
        ({"configuration": {"shared": None, "specific": None}, "metadata": None}, {}),
        ({"configuration": {"author": "a", "region": "NA"}}, {"author": "a", "region": "NA"}),
        ({"configuration": {"shared": {"region": "EU"}, "region": "NA"}}, {"region": "EU"}),
        ({"configuration": {"shared": {"__model_type__": "X", "region": "EU"}}, "other": [1]}, {"region": "EU"}),
    ],
)
def test_stubs(write, tmp_path, content, shared):
    """A file without own values, or with nothing but what is shared, is read; its steps keep their defaults."""
    read = read_config(write(content)).configs
    assert (read.shared, read.specific) == (shared, {})
    write(DAG.replace("[Load]}", "[Load], env: {LABEL_FIELD: x}}"), "dag.yaml")
    made = api.plan(tmp_path / "dag.yaml")
    assert settings_of(made)["REGION"] == ("EU", "contract")
    assert [len(step.notes) for step in made.steps] == [1, 1]


def test_marks_of_types(write):
    """What Cursus writes around a value to know its type again is taken away, however deep."""
    wrapped = {"__type_info__": "list", "value": [{"__type_info__": "dict", "value": {"a": 1}}]}
    content = {"configuration": {"specific": {"Load": {"__model_type__": "LoadConfig", "names": wrapped}}}}
    (read,) = read_config(write(content)).configs.specific.values()
    assert (read.config_class, read.values) == ("LoadConfig", {"names": [{"a": 1}]})


def test_classes_of_the_metadata(write):
    """A key that doesn't say its class has the one of `metadata.config_types`; else its own counts."""
    content = {
        "configuration": {"specific": {"a": {}, "b": {"__model_type__": "Own"}}},
        "metadata": {"config_types": {"a": "Listed", "b": "Listed"}},
    }
    read = read_config(write(content)).configs.specific
    assert (read["a"].config_class, read["b"].config_class) == ("Listed", "Own")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", ["1: this is no Cursus configuration: it has no 'configuration'"]),
        ('{"steps": {}}', ["1: this is no Cursus configuration: it has no 'configuration'"]),
        ('{"configuration":\n{,', ["2: this is not JSON: expecting property name enclosed in double quotes, column 2"]),
        ("configuration: {}\n", ["1: this is not JSON: expecting value, column 1"]),
        ('{"configuration": 5}', ["1: configuration: a mapping is meant here, not 5"]),
        ('{"configuration": {\n"shared": []}}', ["2: configuration.shared: a mapping is meant here, not a list"]),
        ('{"configuration": {\n"specific": 1}}', ["2: configuration.specific: a mapping is meant here, not 1"]),
        (with_config(Train_a=5), ["3: configuration.specific.Train_a: a mapping is meant here, not 5"]),
        (
            with_config(Train_a={"__type_info__": "list", "value": []}),
            ["3: configuration.specific.Train_a: a mapping is meant here, not a list"],
        ),
        (
            with_config(Train_a={"job_type": 5, "__model_type__": []}),
            [
                "3: configuration.specific.Train_a.__model_type__: text is meant here, not a list",
                "3: configuration.specific.Train_a.job_type: text is meant here, not 5",
            ],
        ),
        (with_config(Load={"env": 5}), ["2: configuration.specific.Load.env: a mapping is meant here, not 5"]),
        (
            with_config(Load={"env": {"A": 1, "A-B": 1}}),
            [
                NAME_IS_WRONG,
            ],
        ),
        (
            with_config(Load={"label_name": "a\0b"}),
            ["2: configuration.specific.Load.label_name: text may not hold a NUL character"],
        ),
        (
            '{"configuration": {},\n"metadata": {"config_types":\n{"a": [5]}}}',
            ["3: metadata.config_types.a: text is meant here, not a list"],
        ),
        (
            '{"configuration": {"specific":\n{"a": {},\n"a": {}}}}',
            ["3: 'a' is written twice; it stands in line 2 already"],
        ),
    ],
)
def test_files_that_are_wrong(problems, content, said):
    """What is wrong with a file is said with its line and key, all at once."""
    assert problems(content) == said


@pytest.mark.parametrize(
    ("specific", "said"),
    [
        ({"Trian_a": {}}, ["4: the configuration 'Trian_a' is for no step of the pipeline"]),
        (
            {"Load": {"__model_type__": "LaodConfig"}},
            ["2: the configuration 'Load' is a 'LaodConfig', and no known step type is configured by that"],
        ),
        (
            {"Load": {"__model_type__": "LaodConfig"}, "Registration": {}},
            [
                "2: the configuration 'Load' is a 'LaodConfig', and no known step type is configured by that",
                "4: the configuration 'Registration' is for no step of the pipeline",
            ],
        ),
    ],
)
def test_configurations_that_do_not_fit(problems, specific, said):
    """What of a configuration does not fit the pipeline is said with its file and line, all at once."""
    assert problems(with_config(**specific)) == said


def test_two_steps_on_one_configuration(write, tmp_path):
    """Two steps that one configuration fits equally well are a problem at its line."""
    write(DAG + "  Train_b: {depends_on: [Load]}\n", "dag.yaml")
    write('{"configuration": {"specific": {\n"Load": {},\n"Train": {"label_name": "late"}}}}')
    with pytest.raises(DocumentError) as caught:
        api.plan(tmp_path / "dag.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, "'Train_a' and 'Train_b' equally well" in problem.what) == (3, True)


def test_problems_of_document_and_configuration(write, tmp_path):
    """What is wrong with the document and with its configuration is said at one go, each in its file."""
    write(DAG.replace("[Load]", "[Laod]"), "dag.yaml")
    write('{"configuration": {"shared": []}}')
    with pytest.raises(DocumentError) as caught:
        api.plan(tmp_path / "dag.yaml")
    assert {one.file.name for one in caught.value.problems} == {"dag.yaml", "config.json"}


@pytest.mark.parametrize(
    "content", ["config: nowhere.json", "config: empty.json", "config: .", "config: [a]", "config: ''"]
)
def test_configurations_that_are_not_there(write, tmp_path, content):
    """A configuration that can't be read is a problem at the line of the document that names it."""
    write("", "empty.json")
    write(DAG.replace("config: config.json", content), "dag.yaml")
    with pytest.raises(DocumentError) as caught:
        api.plan(tmp_path / "dag.yaml")
    (problem,) = {(one.file, one.line, one.what.partition(":")[0]) for one in caught.value.problems}
    assert problem == (tmp_path / "dag.yaml", 2, "config")


def test_the_callers_configuration_is_not_there(write, tmp_path):
    """A configuration that the caller names wrong is not blamed on the document."""
    with pytest.raises(DocumentError) as caught:
        api.plan(tmp_path / "dag.yaml", config=tmp_path / "nowhere.json")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (tmp_path / "nowhere.json", None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["shared", "specific", "Load", "env", "job_type", "__model_type__", "__type_info__", "value", "A"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(configuration=JSON, metadata=JSON)
def test_any_json(tmp_path_factory, configuration, metadata):
    """Whatever JSON a file holds, it is read, or refused with problems that name the file."""
    file = Path(tmp_path_factory.getbasetemp()) / "any.json"
    file.write_text(json.dumps({"configuration": configuration, "metadata": metadata}), encoding="utf-8")
    try:
        read = read_config(file).configs
    except DocumentError as error:
        files = {one.file for one in error.problems}
    else:
        files = {file}
        for key in read.of_steps:
            assert read.effective(key, processing=True).key == key
    assert files == {file}
