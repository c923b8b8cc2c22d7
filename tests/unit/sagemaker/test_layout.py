"""A planned step and some folders become a job."""

import json
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from cursus_sandbox.engines.engine import Limits, Mount, MountMode
from cursus_sandbox.engines.mounts import check
from cursus_sandbox.pipeline.contract import StepKind
from cursus_sandbox.pipeline.dag import Resources, Start
from cursus_sandbox.pipeline.plan import PlannedInput, PlannedOutput, PlannedStep, Setting
from cursus_sandbox.pipeline.source import Located
from cursus_sandbox.sagemaker.identity import JobIdentity
from cursus_sandbox.sagemaker.layout import StepFolders, code_paths, sagemaker_job
from cursus_sandbox.sagemaker.staging import stage

IN = "/opt/ml/processing/input"
OUT = "/opt/ml/processing/output"
CODE = f"{IN}/code"
PLATFORM = (
    "/opt/ml/output",
    "/opt/ml/config",
    "/opt/ml",
    "/etc/pip.conf",
)  # what every processing job has besides its own


@pytest.fixture
def scripts(tmp_path):
    """A source folder with a script, a package beside it, and one in a folder of its own."""
    for name in ("script.py", "more/deep.py", "requirements.txt"):
        file = tmp_path / "scripts" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "scripts"


class Made:
    """A job and what it finds on disk, once that is staged."""

    def __init__(self, step, sources, folder, workspace):
        self.folders = StepFolders(folder / "outputs", folder / "staged", folder / "scratch", workspace)
        self.job, self.staging = sagemaker_job(
            step,
            sources=sources,
            folders=self.folders,
            identity=JobIdentity(step.name, "20261123-224042-387"),
            image="xgb:latest",
        )
        stage(self.staging)
        self.mounts = {str(mount.target): mount for mount in self.job.mounts}
        check(self.job)  # every source is there, no target twice

    def source(self, target):
        return self.mounts[target].source

    def text(self, path):
        """What a file holds in the container, as its innermost mount has it."""
        pure = PurePosixPath(path)
        around = next(self.mounts[str(one)] for one in (pure, *pure.parents) if str(one) in self.mounts)
        return (around.source / pure.relative_to(around.target)).read_text()


@pytest.fixture
def made(tmp_path, scripts):
    """Make a job: channels by path, sources by channel."""

    def make(inputs=None, outputs=None, sources=None, *, kind=StepKind.PROCESSING, parts=None, around=None, **fields):
        step = PlannedStep(
            **{
                "name": "step",
                "step_type": "Step",
                "kind": kind,
                "ships_source_dir": kind is StepKind.TRAINING,
                "source_dir": scripts,
                "entry_point": "script.py",
                "inputs": tuple(
                    PlannedInput(
                        channel=name,
                        path=PurePosixPath(path),
                        source=Located(path=Path(name)),
                        reason="pinned",
                        parts=(parts or {}).get(name, ()),
                    )
                    for name, path in (inputs or {}).items()
                ),
                "outputs": tuple(
                    PlannedOutput(channel=name, path=path and PurePosixPath(path))
                    for name, path in (outputs or {}).items()
                ),
                **fields,
            }
        )
        return Made(step, sources or {}, tmp_path / "attempt", around)

    return make


def folder(path, **files):
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    return path


class TestProcessing:
    """A processing job."""

    def test_one_file(self, made):
        """A plain script comes alone, is run by its full path, in the image's own working folder."""
        one = made(outputs={"rows": OUT}, arguments=("--job_type", "training"))
        assert one.job.entrypoint == ("python3", f"{CODE}/script.py")
        assert one.job.argv == ("--job_type", "training")
        assert one.job.working_dir is None
        assert [file.name for file in one.source(CODE).iterdir()] == ["script.py"]
        assert one.text(f"{CODE}/script.py") == "script.py"

    def test_one_file_of_a_folder(self, made):
        """A script below its source folder arrives under its bare name."""
        one = made(entry_point="more/deep.py")
        assert one.job.entrypoint == ("python3", f"{CODE}/deep.py")
        assert one.text(f"{CODE}/deep.py") == "more/deep.py"

    def test_source_folder(self, made, scripts):
        """A contract with a source folder gets it as FrameworkProcessor ships it, and a copy at /opt/ml/code too."""
        one = made(ships_source_dir=True, entry_point="more/deep.py")
        entrypoint = "/opt/ml/processing/input/entrypoint"
        assert (one.job.entrypoint, one.job.argv) == (("/bin/bash", f"{entrypoint}/runproc.sh"), ())
        assert one.job.working_dir is None
        assert one.mounts["/opt/ml/code"].mode is MountMode.WRITABLE
        assert one.text("/opt/ml/code/more/deep.py") == "more/deep.py"
        assert not one.source("/opt/ml/code").samefile(scripts)
        with tarfile.open(one.mounts[CODE].source / "sourcedir.tar.gz") as tar:
            assert "more/deep.py" in tar.getnames()
        assert one.text(f"{entrypoint}/runproc.sh").splitlines()[-1] == 'python3 more/deep.py "$@"'

    @pytest.mark.parametrize("path", [CODE, "/opt/ml/code"])
    def test_what_of_a_source_folder_is_code(self, made, scripts, path):
        """It comes without what tools keep there and without the workspace; links stay links."""
        for name in ("__pycache__/x.pyc", ".git/HEAD", "more/.mypy_cache/x", "workspace/runs/1/huge"):
            (scripts / name).parent.mkdir(parents=True, exist_ok=True)
            (scripts / name).write_text("x")
        (scripts / "link.py").symlink_to("script.py")
        (scripts / "empty").mkdir()
        one = made(ships_source_dir=True, around=scripts / "workspace")
        expected = ["empty", "link.py", "more", "more/deep.py", "requirements.txt", "script.py"]
        if path == CODE:
            with tarfile.open(one.source(path) / "sourcedir.tar.gz") as tar:
                assert sorted(tar.getnames()) == [name for name in expected if name not in ("link.py", "more")]
        else:
            found = one.source(path)
            assert sorted(str(file.relative_to(found)) for file in found.rglob("*")) == expected
            assert str((found / "link.py").readlink()) == "script.py"

    def test_source_folder_that_an_input_brings(self, made, scripts, tmp_path):
        """Where an input has the code's path, nothing is unpacked: the script is laid into it and runs there."""
        given = folder(tmp_path / "given", other__py="")
        one = made({"code": CODE}, {}, {"code": given}, ships_source_dir=True, entry_point="more/deep.py")
        assert (one.job.entrypoint, one.job.working_dir) == (("python3", "more/deep.py"), PurePosixPath(CODE))

    def test_shell_script(self, made, scripts):
        """A shell script is run by bash."""
        (scripts / "run.sh").write_text("true")
        assert made(entry_point="run.sh").job.entrypoint == ("bash", f"{CODE}/run.sh")

    def test_channels(self, made, tmp_path):
        """Inputs are private folders; outputs are writable and there beforehand; /opt/ml/output takes the message."""
        rows = folder(tmp_path / "rows", a__csv="1")
        one = made({"rows": f"{IN}/rows"}, {"table": f"{OUT}/table", "notes": f"{OUT}/notes"}, {"rows": rows})
        assert one.mounts[f"{IN}/rows"] == Mount(rows, PurePosixPath(f"{IN}/rows"), MountMode.PRIVATE)
        for name in ("table", "notes"):
            mount = one.mounts[f"{OUT}/{name}"]
            assert (mount.source, mount.mode) == (one.folders.outputs / name, MountMode.WRITABLE)
            assert list(mount.source.iterdir()) == []
        assert one.mounts["/opt/ml/output"].source == one.folders.messages
        assert set(one.mounts) == {CODE, f"{IN}/rows", f"{OUT}/table", f"{OUT}/notes", *PLATFORM}

    def test_settings(self, made):
        """The job's settings are read-only files; they name the command that runs and where the code comes from."""
        one = made(arguments=("--fast",))
        assert one.mounts["/opt/ml/config"].mode is MountMode.READ_ONLY
        job = json.loads(one.text("/opt/ml/config/processingjobconfig.json"))
        assert job["AppSpecification"] == {
            "ImageUri": None,
            "ContainerEntrypoint": ["python3", f"{CODE}/script.py"],
            "ContainerArguments": ["--fast"],
        }
        (code,) = job["ProcessingInputs"]
        assert (code["InputName"], code["S3Input"]["LocalPath"]) == ("code", CODE)
        assert code["S3Input"]["S3Uri"].endswith("/script.py")
        assert json.loads(one.text("/opt/ml/config/resourceconfig.json")) == {
            "current_host": "algo-1",
            "hosts": ["algo-1"],
        }

    @pytest.mark.parametrize("arguments", [(), ("--fast", "$HOME *")])
    def test_an_image_that_starts_itself(self, made, arguments):
        """Without an entry point the image keeps its own; arguments alone take the place of its command."""
        one = made(entry_point=None, start=Start.IMAGE, arguments=arguments)
        assert (one.job.entrypoint, one.job.argv, one.job.working_dir) == ((), arguments, None)
        job = json.loads(one.text("/opt/ml/config/processingjobconfig.json"))
        assert job["AppSpecification"]["ContainerEntrypoint"] is None
        assert job["AppSpecification"]["ContainerArguments"] == (list(arguments) or None)
        assert (job["ProcessingInputs"], CODE in one.mounts) == ([], False)

    def test_no_training_files(self, made):
        """A processing job finds nothing of a training job's."""
        one = made(hyperparameters={"a": "1"})
        assert set(one.mounts) == {CODE, *PLATFORM}
        assert one.job.argv == ()

    def test_output_at_output_data(self, made):
        """An output at /opt/ml/output/data lies in the folder of the messages and is no part of it."""
        one = made(outputs={"extra": "/opt/ml/output/data"})
        assert one.source("/opt/ml/output/data") == one.folders.outputs / "extra"
        assert list((one.folders.messages / "data").iterdir()) == []

    def test_outputs_without_a_path(self, made):
        """An output without a path, and an unbound optional input, are simply not there."""
        one = made(outputs={"name": None})
        assert set(one.mounts) == {CODE, *PLATFORM}

    def test_environment_limits_and_labels(self, made, tmp_path, scripts):
        """The job gets the step's variables, limits, user and network, and nothing besides."""
        one = made(
            environment={"A": Setting(value="1", origin="step")},
            resources=Resources(cpus=2, memory=2**30, gpus=1, shm_size=2**20),
            timeout=60,
            network=True,
            user="1000:1000",
        )
        assert one.job.environment == {"A": "1"}
        assert one.job.limits == Limits(cpus=2, memory=2**30, gpus=1, shm_size=2**20, timeout=60)
        assert (one.job.network, one.job.user, one.job.image, one.job.hostname) == (
            *(True, "1000:1000", "xgb:latest"),
            "algo-1",
        )
        assert one.folders.scratch.is_dir()

    def test_no_source_folder(self, made):
        """Without a source folder no code is brought; the command is the same."""
        one = made(source_dir=None)
        assert set(one.mounts) == set(PLATFORM)
        assert one.job.entrypoint == ("python3", f"{CODE}/script.py")


class TestTraining:
    """A training job."""

    def test_command(self, made, scripts):
        """It runs in /opt/ml/code; hyperparameters are options, sorted, one dash for one letter; arguments follow."""
        hyperparameters = {"max_depth": "6", "eta": "0.1", "n": "3", "names": '["a"]', "sagemaker_program": "x.py"}
        (scripts / "requirements.txt").unlink()
        one = made(kind=StepKind.TRAINING, hyperparameters=hyperparameters, arguments=("--job_type", "x"))
        assert one.job.entrypoint == ("python3", "script.py")
        assert one.job.argv == (
            *("--eta", "0.1", "--max_depth", "6", "-n", "3", "--names", "['a']"),
            *("--job_type", "x"),
        )
        assert one.job.working_dir == PurePosixPath("/opt/ml/code")
        assert one.mounts["/opt/ml/code"].mode is MountMode.WRITABLE
        assert one.text("/opt/ml/code/more/deep.py") == "more/deep.py"
        assert not one.source("/opt/ml/code").samefile(scripts)
        assert code_paths(PlannedStep(name="s", step_type="S", kind=StepKind.TRAINING)) == (
            PurePosixPath("/opt/ml/code"),
        )

    def test_channels(self, made, tmp_path):
        """An input that fans out becomes one private mount a channel, with none around them."""
        rows = tmp_path / "rows"
        for name in ("train", "val", "test", "other"):
            folder(rows / name)
        model = folder(tmp_path / "model")
        one = made(
            {"input_path": "/opt/ml/input/data", "start": "/opt/ml/input/data/start"},
            {"model": "/opt/ml/model", "evaluation": "/opt/ml/output/data"},
            {"input_path": rows, "start": model},
            kind=StepKind.TRAINING,
            parts={"input_path": ("train", "val", "test")},
        )
        assert {path: mount.source for path, mount in one.mounts.items() if "/input/data" in path} == {
            "/opt/ml/input/data/train": rows / "train",
            "/opt/ml/input/data/val": rows / "val",
            "/opt/ml/input/data/test": rows / "test",
            "/opt/ml/input/data/start": model,
        }
        assert one.source("/opt/ml/model") == one.folders.outputs / "model"
        assert one.source("/opt/ml/output/data") == one.folders.outputs / "evaluation"
        assert one.mounts["/opt/ml/checkpoints"].mode is MountMode.WRITABLE
        config = json.loads(one.text("/opt/ml/input/config/inputdataconfig.json"))
        assert config == {
            name: {
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
            for name in ("train", "val", "test", "start")
        }

    def test_settings(self, made):
        """The settings are read-only files: hyperparameters as texts, one host, no channel where none is bound."""
        one = made(kind=StepKind.TRAINING, hyperparameters={"max_depth": "6", "name": "é"})
        config = one.mounts["/opt/ml/input/config"]
        assert config.mode is MountMode.READ_ONLY
        assert {file.name for file in config.source.iterdir()} == {
            "hyperparameters.json",
            "inputdataconfig.json",
            "resourceconfig.json",
        }
        assert one.text("/opt/ml/input/config/hyperparameters.json") == (
            '{\n  "max_depth": "6",\n  "name": "\\u00e9"\n}\n'
        )
        assert one.text("/opt/ml/input/config/inputdataconfig.json") == "{}\n"
        assert json.loads(one.text("/opt/ml/input/config/resourceconfig.json")) == {
            "current_host": "algo-1",
            "current_instance_type": "ml.m5.xlarge",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1"],
            "instance_groups": [
                {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.xlarge", "hosts": ["algo-1"]}
            ],
            "network_interface_name": "eth0",
        }

    def test_an_image_that_trains(self, made):
        """Without an entry point the image's own is given `train`, and no code is brought."""
        one = made(kind=StepKind.TRAINING, entry_point=None, start=Start.IMAGE, hyperparameters={"a": "1"})
        assert (one.job.entrypoint, one.job.argv, one.job.working_dir) == ((), ("train",), None)
        assert json.loads(one.text("/opt/ml/input/config/hyperparameters.json")) == {"a": "1"}
        assert "/opt/ml/code" not in one.mounts
        assert made(kind=StepKind.TRAINING, start=Start.IMAGE, arguments=("fit",)).job.argv == ("fit",)

    def test_an_image_that_runs_the_script(self, made, scripts):
        """An image that starts itself may be handed a script: hyperparameters tell which, and where it lies."""
        one = made(kind=StepKind.TRAINING, start=Start.IMAGE, hyperparameters={"a": "1"})
        assert one.job.argv == ("train",)
        told = json.loads(one.text("/opt/ml/input/config/hyperparameters.json"))
        assert (told["a"], told["sagemaker_program"], told["sagemaker_submit_directory"]) == (
            *("1", "script.py"),
            "/opt/ml/code",
        )
        assert one.text("/opt/ml/code/script.py") == "script.py"

    def test_job_name(self, made):
        """An image that starts itself knows its name and ARN by two variables, and no others that nobody declared."""
        name = "step-20261123-224042-387"
        assert made(kind=StepKind.TRAINING, start=Start.IMAGE).job.environment == {
            "TRAINING_JOB_NAME": name,
            "TRAINING_JOB_ARN": f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}",
        }

    def test_requirements(self, made):
        """With a requirements.txt in its source folder, the script runs once that is installed."""
        one = made(kind=StepKind.TRAINING, hyperparameters={"a": "1"})
        bash, _, command, *rest = one.job.entrypoint
        assert (bash, rest, one.job.argv) == ("/bin/bash", ["python3", "script.py"], ("-a", "1"))
        assert command == 'python3 -m pip install -r requirements.txt && exec "$0" "$@"'

    def test_variables_of_script_mode(self, made, tmp_path):
        """A script finds the toolkit's variables besides, which go before declared ones of the same names."""
        declared = {name: Setting(value="mine", origin="step") for name in ("SM_MODEL_DIR", "SM_MINE")}
        found = made(
            {"rows": "/opt/ml/input/data/train"},
            sources={"rows": folder(tmp_path / "rows")},
            kind=StepKind.TRAINING,
            hyperparameters={"batch-size": "8", "l": "[1, 2]", "text": "a b", "none": "null", "sagemaker_x": "1"},
            environment=declared,
            resources=Resources(cpus=3, gpus=1),
        ).job.environment
        assert {name: found[name] for name in ("SM_MODEL_DIR", "SM_MINE", "SM_CHANNEL_TRAIN", "SM_CHANNELS")} == {
            "SM_MODEL_DIR": "/opt/ml/model",
            "SM_MINE": "mine",
            "SM_CHANNEL_TRAIN": "/opt/ml/input/data/train",
            "SM_CHANNELS": '["train"]',
        }
        assert {name: value for name, value in found.items() if name.startswith(("SM_HP", "SM_NUM", "SM_FRAME"))} == {
            "SM_HPS": '{"batch-size":8,"l":[1,2],"none":null,"text":"a b"}',
            "SM_HP_BATCH-SIZE": "8",
            "SM_HP_L": "[1,2]",
            "SM_HP_TEXT": "a b",
            "SM_HP_NONE": "",
            "SM_NUM_CPUS": "3",
            "SM_NUM_GPUS": "1",
            "SM_NUM_NEURONS": "0",
            "SM_FRAMEWORK_PARAMS": '{"sagemaker_x":1}',
            "SM_FRAMEWORK_MODULE": "",
        }

    def test_variables_without_sm(self, made):
        """Its host, the job's name and the region are the toolkit's too, the last two as hyperparameters may say."""
        names = ("CURRENT_HOST", "SAGEMAKER_JOB_NAME", "SAGEMAKER_REGION")
        found = made(kind=StepKind.TRAINING).job.environment
        assert [found[name] for name in names] == ["algo-1", found["TRAINING_JOB_NAME"], "us-east-1"]
        given = {"sagemaker_job_name": '"mine"', "sagemaker_region": "eu-west-1"}
        found = made(kind=StepKind.TRAINING, hyperparameters=given).job.environment
        assert [found[name] for name in names] == ["algo-1", "mine", "eu-west-1"]
        for kind, start in ((StepKind.TRAINING, Start.IMAGE), (StepKind.PROCESSING, Start.SCRIPT)):
            assert not {*names} & made(kind=kind, start=start).job.environment.keys()

    def test_all_of_input_data(self, made, tmp_path):
        """An input that is all of /opt/ml/input/data is no channel of its own."""
        rows = folder(tmp_path / "rows")
        one = made({"rows": "/opt/ml/input/data"}, sources={"rows": rows}, kind=StepKind.TRAINING)
        assert one.source("/opt/ml/input/data") == rows
        assert one.text("/opt/ml/input/config/inputdataconfig.json") == "{}\n"

    def test_folders_without_outputs(self, made):
        """The model, output data and checkpoint folders are there and writable even where the contract has none."""
        one = made(kind=StepKind.TRAINING)
        for path in ("/opt/ml/model", "/opt/ml/output/data", "/opt/ml/checkpoints"):
            assert one.mounts[path].mode is MountMode.WRITABLE
            assert one.source(path).is_relative_to(one.folders.staged)

    @pytest.mark.parametrize("path", ["/opt/ml/model", "/opt/ml/output/data", "/opt/ml/checkpoints"])
    def test_an_output_takes_the_place_of_a_spare_folder(self, made, path):
        """Where the contract has an output, it alone is mounted."""
        assert made(outputs={"out": path}, kind=StepKind.TRAINING).source(path).name == "out"

    def test_input_among_the_settings(self, made, tmp_path):
        """An input may lie beside the settings, or stand over one of them."""
        seen = folder(tmp_path / "seen", a__json="{}", hyperparameters__json='{"mine": "1"}')
        one = made(
            {"seen": "/opt/ml/input/config/seen", "over": "/opt/ml/input/config/hyperparameters.json"},
            sources={"seen": seen, "over": seen / "hyperparameters.json"},
            kind=StepKind.TRAINING,
        )
        assert one.text("/opt/ml/input/config/seen/a.json") == "{}"
        assert one.text("/opt/ml/input/config/hyperparameters.json") == '{"mine": "1"}'


class TestMounts:
    """Mounts in mounts, and files."""

    def test_parents_come_first(self, made, tmp_path):
        """A channel that holds others, and the code, is mounted before them, in whatever order they are listed."""
        sources = {name: folder(tmp_path / name) for name in ("model", "all", "deep")}
        one = made(
            {"model": f"{IN}/model_artifacts", "deep": f"{IN}/model_artifacts/a/b", "all": IN}, {"out": OUT}, sources
        )
        targets = [str(mount.target) for mount in one.job.mounts]
        assert targets.index(IN) < targets.index(f"{IN}/model_artifacts") < targets.index(f"{IN}/model_artifacts/a/b")
        assert targets.index(IN) < targets.index(CODE)

    def test_source_folders_are_not_touched(self, made, tmp_path):
        """No mount point is made in what belongs to the user or to another step."""
        sources = {name: folder(tmp_path / name) for name in ("model", "all")}
        made({"model": f"{IN}/model", "all": IN}, sources=sources)
        assert [list(source.iterdir()) for source in sources.values()] == [[], []]

    def test_mount_points_in_the_code(self, made, tmp_path):
        """What an input needs to be there inside the code's folder is made beforehand, a folder or a file."""
        artifacts, settings = folder(tmp_path / "a", x="1"), folder(tmp_path / "s", s__json="{}") / "s.json"
        one = made(
            {"artifacts": f"{CODE}/deep/artifacts", "settings": f"{CODE}/conf/s.json"},
            sources={"artifacts": artifacts, "settings": settings},
        )
        assert (one.source(CODE) / "deep/artifacts").is_dir()
        assert (one.source(CODE) / "conf/s.json").read_text() == ""
        assert one.text(f"{CODE}/conf/s.json") == "{}"
        assert one.text(f"{CODE}/script.py") == "script.py"

    def test_an_input_brings_the_code(self, made, tmp_path, scripts):
        """An input at the code's own path is the code's folder, and the script is laid into it."""
        bundle = folder(tmp_path / "bundle", library__py="1", script__py="old")
        one = made({"code": CODE}, sources={"code": bundle})
        assert one.source(CODE) == bundle
        assert one.mounts[f"{CODE}/script.py"] == Mount(
            scripts / "script.py", PurePosixPath(f"{CODE}/script.py"), MountMode.PRIVATE
        )

    def test_an_input_brings_a_source_folder(self, made, tmp_path, scripts):
        """Also where a whole folder is shipped: the script keeps its place below it."""
        bundle = folder(tmp_path / "bundle")
        one = made(
            {"code": "/opt/ml/code"}, sources={"code": bundle}, kind=StepKind.TRAINING, entry_point="more/deep.py"
        )
        assert one.source("/opt/ml/code") == bundle
        assert one.source("/opt/ml/code/more/deep.py") == scripts / "more/deep.py"

    def test_a_file_in_a_folder_channel(self, made, tmp_path):
        """A single file bound to a folder channel arrives alone, under its own name."""
        rows = folder(tmp_path / "rows", a__csv="1", b__csv="2") / "a.csv"
        one = made({"rows": f"{IN}/rows"}, sources={"rows": rows})
        assert [file.name for file in one.source(f"{IN}/rows").iterdir()] == ["a.csv"]
        assert one.text(f"{IN}/rows/a.csv") == "1"
        assert one.mounts[f"{IN}/rows"].mode is MountMode.PRIVATE

    HYPERPARAMETERS = "/opt/ml/code/hyperparams/hyperparameters.json"

    @pytest.mark.parametrize(
        ("files", "source", "shown"),
        [
            ({"hyperparameters__json": "{}"}, "hyperparameters.json", "hyperparameters.json"),
            ({"mine__json": "{}"}, "mine.json", "mine.json"),
            ({"hyperparameters__json": "{}"}, "", "hyperparameters.json"),
            ({"hyperparameters__json": "{}", "other__json": "1"}, "", "hyperparameters.json"),
            ({"mine__json": "{}", "readme__md": "1"}, "", "mine.json"),
        ],
    )
    def test_a_file_channel(self, made, tmp_path, files, source, shown):
        """A channel whose path names a file shows that file, be its source the file or the folder that holds it."""
        bound = folder(tmp_path / "bound", **files) / source
        one = made({"hp": self.HYPERPARAMETERS}, sources={"hp": bound}, kind=StepKind.TRAINING)
        assert one.source(self.HYPERPARAMETERS) == tmp_path / "bound" / shown
        assert one.text(self.HYPERPARAMETERS) == "{}"

    @pytest.mark.parametrize("files", [{}, {"a__json": "1", "b__json": "2"}, {"readme__md": "1"}])
    def test_a_file_channel_without_its_file(self, made, tmp_path, files):
        """A folder in which no one file can be meant shows as the folder it is."""
        bound = folder(tmp_path / "bound", **files)
        one = made({"hp": self.HYPERPARAMETERS}, sources={"hp": bound}, kind=StepKind.TRAINING)
        assert one.source(self.HYPERPARAMETERS) == bound

    def test_a_link_is_no_file_of_a_channel(self, made, tmp_path):
        """A link that a step left doesn't lead a file channel out of its folder."""
        secret = folder(tmp_path / "secret", a__json="s") / "a.json"
        bound = folder(tmp_path / "bound")
        (bound / "hyperparameters.json").symlink_to(secret)
        one = made({"hp": self.HYPERPARAMETERS}, sources={"hp": bound}, kind=StepKind.TRAINING)
        assert one.source(self.HYPERPARAMETERS) == bound

    def test_an_archive_channel(self, made, tmp_path):
        """A model that travels as one archive shows at a path that names an archive."""
        bound = folder(tmp_path / "bound", model__tar__gz="…")
        one = made({"model": f"{IN}/model.tar.gz"}, sources={"model": bound})
        assert one.source(f"{IN}/model.tar.gz") == bound / "model.tar.gz"

    def test_a_folder_path_with_a_dot(self, made, tmp_path):
        """A folder whose name merely has a dot stays one."""
        bound = folder(tmp_path / "bound", rows__csv="1", more__csv="2")
        assert made({"rows": f"{IN}/rows.v2"}, sources={"rows": bound}).source(f"{IN}/rows.v2") == bound
