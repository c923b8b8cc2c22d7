"""Instance types: what they have, who says which one, and what a machine can give of it."""

import pytest
from small import LOAD, contract, pipeline, plan

from cursus_sandbox.pipeline.cursus_config import CursusConfigs
from cursus_sandbox.pipeline.instances import Capacity, fitted
from cursus_sandbox.pipeline.resolver import Resolver

GIB = 1024**3
HUGE = Capacity(cpus=1000, memory=10_000 * GIB, gpus=16)


def one(pipeline_says=None, **step):
    """One step, planned."""
    return plan({"Load": step}, [LOAD], **(pipeline_says or {})).steps[0]


def configured(values, kind="Processing", **step):
    """One step, planned with a configuration."""
    resolver = Resolver(
        pipeline({"Fit": step}),
        contracts={"Fit": contract("Fit", sagemaker_step_type=kind)},
        available_configs=CursusConfigs.of({"Fit": values}),
    )
    return resolver.create_execution_plan().steps[0]


@pytest.mark.parametrize(
    ("name", "cpus", "gib", "gpus"),
    [
        ("ml.m5.large", 2, 8, None),
        ("ml.m5.xlarge", 4, 16, None),
        ("ml.m5.2xlarge", 8, 32, None),
        ("ml.m5.4xlarge", 16, 64, None),
        ("ml.m5.12xlarge", 48, 192, None),
        ("ml.m5.24xlarge", 96, 384, None),
        ("ml.c5.9xlarge", 36, 72, None),
        ("ml.r5.2xlarge", 8, 64, None),
        ("ml.t3.medium", 2, 4, None),
        ("ml.c4.8xlarge", 36, 60, None),
        ("ml.g4dn.xlarge", 4, 16, 1),
        ("ml.g5.12xlarge", 48, 192, 4),
        ("ml.p3.2xlarge", 8, 61, 1),
    ],
)
def test_what_types_have(name, cpus, gib, gpus):
    """An instance type is so many processors, so much memory, and its GPUs."""
    step = one(instance_type=name)
    assert (step.instance_type, step.notes) == (name, ())
    assert (step.resources.cpus, step.resources.memory, step.resources.gpus) == (cpus, gib * GIB, gpus)


def test_nobody_says():
    """A step without an instance type has no limits, and one host."""
    step = one()
    assert (step.instance_type, step.instance_count) == (None, 1)
    assert (step.resources.cpus, step.resources.memory) == (None, None)


def test_own_words_go_before_what_a_type_has():
    """`resources` and the pipeline's `memory` hold, and leave the rest to the type."""
    step = one({"memory": "3g"}, instance_type="ml.m5.large", resources={"cpus": 1.5})
    assert (step.resources.cpus, step.resources.memory) == (1.5, 3 * GIB)
    assert one({"instance_type": "ml.m5.xlarge"}).resources.cpus == 4
    assert one({"instance_type": "ml.m5.xlarge"}, instance_type="ml.m5.large").resources.cpus == 2


def test_a_table_of_ones_own():
    """A document says what a type has, also one of its own making or one that is known."""
    own = {"instance_types": {"ml.mine.small": {"cpus": 1, "memory": "1g"}, "ml.m5.large": {"cpus": 7}}}
    assert one(own, instance_type="ml.mine.small").resources.memory == GIB
    large = one(own, instance_type="ml.m5.large")
    assert (large.resources.cpus, large.resources.memory) == (7, None)


@pytest.mark.parametrize("name", ["ml.m5.larg", "ml.trn1.2xlarge", "local"])
def test_an_unknown_type_sets_no_limits(name):
    """A type that isn't in the table is no error: a note says how to add it."""
    step = one(instance_type=name)
    assert step.resources.cpus is None
    [note] = step.notes
    assert note.startswith(f"what {name} has is not known here")
    assert ("Did you mean 'ml.m5.large'?" in note) is (name == "ml.m5.larg")
    assert note.endswith(f"instance_types: {{{name}: {{cpus: …, memory: …}}}}")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ({"processing_instance_type_small": "ml.m5.large"}, "Processing", ("ml.m5.large", 1)),
        (
            {
                "use_large_processing_instance": True,
                "processing_instance_type_small": "ml.m5.large",
                "processing_instance_type_large": "ml.m5.xlarge",
                "processing_instance_count": 2,
                "training_instance_count": 3,
            },
            "Processing",
            ("ml.m5.xlarge", 2),
        ),
        (
            {"training_instance_type": "ml.m5.4xlarge", "processing_instance_type_small": "ml.m5.large"},
            "Training",
            ("ml.m5.4xlarge", 1),
        ),
        (
            {"processing_instance_type": "ml.c5.xlarge", "processing_instance_count": 0},
            "Processing",
            ("ml.c5.xlarge", 1),
        ),
        (
            {"transform_instance_type": "ml.m5.large", "transform_instance_count": 2, "processing_instance_count": 3},
            "Transform",
            ("ml.m5.large", 2),
        ),
        ({"processing_instance_type_small": None, "processing_instance_count": True}, "Processing", (None, 1)),
    ],
)
def test_a_configuration_says_which(values, kind, expected):
    """Cursus' small or large type of a processing step, a training step's and a transform's, each with its number."""
    step = configured(values, kind)
    assert (step.instance_type, step.instance_count) == expected


def test_a_transform_has_one_host():
    """The objects of a transform that asks for several instances are all answered by one, and a note says so."""
    assert (
        configured({"transform_instance_count": 2}, "Transform").notes[-1]
        == "2 instances are asked for: here one host answers all records"
    )


@pytest.mark.parametrize(
    ("values", "kind", "gb"),
    [
        ({"processing_volume_size": 111, "training_volume_size": 5}, "Processing", 111),
        ({"processing_volume_size": 111, "training_volume_size": 5}, "Training", 5),
        ({"training_volume_size": 5}, "Processing", None),
        ({"processing_volume_size": 0}, "Processing", None),
        ({"processing_volume_size": "111"}, "Processing", None),
        ({}, "Processing", None),
    ],
)
def test_a_configuration_says_the_size_of_the_disk(values, kind, gb):
    """A step's disk is as large as its configuration says, in the words of its kind; what is no number says nothing."""
    assert configured(values, kind).volume_size == gb


def test_the_document_goes_before_the_configuration():
    """What the document says holds, whatever the configuration says."""
    values = {"processing_instance_type_small": "ml.m5.large", "processing_instance_count": 5}
    step = configured(values, instance_type="ml.m5.xlarge", instance_count=1)
    assert (step.instance_type, step.instance_count) == ("ml.m5.xlarge", 1)


def test_a_machine_gives_what_it_has():
    """What is more than the machine has is capped, and said once; what it has is left alone."""
    step = one(instance_type="ml.p3.2xlarge")
    assert fitted(step, HUGE) == step
    small = Capacity(cpus=2, memory=16 * GIB, gpus=0)
    capped = fitted(step, small)
    assert (capped.resources.cpus, capped.resources.memory, capped.resources.gpus) == (2, 16 * GIB, 0)
    has = "ml.p3.2xlarge has 8 cpus, 62,464 MB and 1 GPU"
    assert capped.notes == (f"{has}; this machine has 2 cpus, 16,384 MB and no GPU, and it runs with that",)
    assert fitted(capped, small) == capped


def test_what_is_asked_for_without_a_type_is_capped_too():
    """A step that asks for a GPU where there is none runs without, and says so."""
    capped = fitted(one(resources={"gpus": 1}), Capacity(cpus=2, memory=GIB, gpus=0))
    assert (capped.resources.gpus, capped.notes) == (
        0,
        ("it asks for 1 GPU; this machine has no GPU, and it runs with that",),
    )


def test_several_instances_are_one_here():
    """A step that asks for several instances is told that one runs."""
    step = plan({"Load": {"instance_count": 3}}, [LOAD]).steps[0]
    assert step.instance_count == 3
    assert (step.instance_count, step.notes) == (3, ())
