"""A batch transform: a model is trained, created and served; records are sent to it, its answers are kept.

The server (`model_server.py`) is written only against AWS' documentation, and says all it is sent.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
import yaml
from small_pipeline import SmallPipeline, statuses, succeeded

import cursus_sandbox
from cursus_sandbox import StepExecutionResult
from cursus_sandbox.errors import DocumentError, EngineError

SERVER = Path(__file__).with_name("model_server.py").read_text()
CONTRACTS = {
    "Model": ("CreateModel", "model_data", "model_name"),
    "Transform": ("Transform", "model_name", "transform_output"),
}


def served(small: SmallPipeline, files: dict[str, bytes] | None = None, *, odd: dict | None = None, **settings) -> None:
    """A pipeline of three steps; `files` are what is transformed, `settings` its transform's."""
    small.step(
        "Train",
        "(ML / 'model/weights.json').write_text(json.dumps({'weight': 10}))",
        outputs={"model": {"path": "/opt/ml/model"}},
        kind="Training",
    )
    for name, (verb, reads, leaves) in CONTRACTS.items():
        inputs = {reads: {"path": None}} | ({"data": {"path": None}} if verb == "Transform" else {})
        contract = {
            "step_type": name,
            "registry": {"sagemaker_step_type": verb},
            "contract": {"entry_point": None, "inputs": inputs, "outputs": {leaves: {"path": None}}},
        }
        small.write(f"contracts/{name.lower()}.step.yaml", yaml.safe_dump(contract, sort_keys=False))
    small.write("scripts/server.py", SERVER)
    for name, content in (files or {"data.csv": b"1,2\n3,4\n"}).items():
        file = small.folder / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    small.steps["Model"] = {"inputs": {"model_data": "Train:model"}, "env": {"MODE": "of the model"}}
    small.steps["Transform"] = {
        "inputs": {"model_name": "Model:model_name", "data": "./data"},
        "entry_point": "server.py",
        "env": {"ODD": json.dumps(odd or {})},
        "transform": settings,
    }


def requests(step: StepExecutionResult) -> list[dict]:
    """What the server says it was sent; first, how it was started."""
    return [json.loads(line) for line in step.log.read_text().splitlines() if line.startswith("{")]


def posts(step: StepExecutionResult) -> list[str]:
    return [one["body"] for one in requests(step) if one.get("method") == "POST"]


def answers(step: StepExecutionResult) -> dict[str, str]:
    folder = step.outputs["transform_output"]
    return {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob("*")) if file.is_file()}


def transformed(small: SmallPipeline) -> StepExecutionResult:
    return succeeded(small.run()).step_results["Transform"]


def failed(small: SmallPipeline) -> StepExecutionResult:
    result = small.run()
    assert (result.exit_code, statuses(result)["Transform"]) == (1, "failed")
    assert result.step_results["Transform"].outputs == {}
    return result.step_results["Transform"]


def test_training_to_transform(anywhere):
    """A trained model is created and served; each object of the input gets its answers in `<key>.out`."""
    served(anywhere, {"a.csv": b"1,2\n3,4\n", "sub/b.csv": b"5\n"}, content_type="text/csv", accept="text/plain")
    step = transformed(anywhere)
    assert answers(step) == {"a.csv.out": "30\n70", "sub/b.csv.out": "50"}
    started, *asked = requests(step)
    assert started["model"] == ["weights.json"]
    assert started["env"] == {"MODE": "of the model", "SAGEMAKER_BATCH": "true"}
    assert [(one["method"], one["path"]) for one in asked if one["path"] != "/ping"] == [
        ("GET", "/execution-parameters"),
        ("POST", "/invocations"),
        ("POST", "/invocations"),
    ]
    assert asked[0] == {"method": "GET", "path": "/ping"}
    assert asked[-1]["headers"] == {"Content-Type": "text/csv", "Accept": "text/plain"}
    assert posts(step) == ["1,2\n3,4\n", "5\n"]
    assert step.exit_code is None


def test_two_transforms_at_once(anywhere):
    """Two transforms of one model run at the same time, each with a server of its own at port 8080."""
    served(anywhere)
    anywhere.steps["Transform_other"] = anywhere.steps["Transform"] | {"env": {"MODE": "of the other"}}
    result = succeeded(anywhere.run(jobs=4)).step_results
    assert [answers(result[name]) for name in ("Transform", "Transform_other")] == [{"data.csv.out": "30\n70"}] * 2
    assert requests(result["Transform_other"])[0]["env"]["MODE"] == "of the other"


class TestRecords:
    def test_one_line_at_a_time(self, small):
        """With SplitType Line and SingleRecord each line is a request; AssembleWith Line ends each answer's line."""
        served(small, split_type="Line", batch_strategy="SingleRecord", assemble_with="Line")
        step = transformed(small)
        assert posts(step) == ["1,2\n", "3,4\n"]
        assert answers(step) == {"data.csv.out": "30\n70\n"}
        assert requests(step)[0]["env"]["SAGEMAKER_BATCH_STRATEGY"] == "SINGLE_RECORD"

    def test_as_many_lines_as_fit(self, small):
        """With MultiRecord a request takes as many lines as MaxPayloadInMB allows, and the answers keep their order."""
        line = b"1" + b",1" * 150_000 + b"\n"
        served(
            small, {"data.csv": line * 9}, split_type="Line", batch_strategy="MultiRecord", max_payload_in_mb=1,
            assemble_with="Line",
        )  # fmt: skip
        step = transformed(small)
        sizes = [one["size"] // len(line) for one in requests(step) if one.get("method") == "POST"]
        assert sizes == [3, 3, 3]
        assert answers(step)["data.csv.out"].split() == ["1.50001e+06"] * 9
        assert requests(step)[0]["env"]["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "1"

    def test_several_at_once(self, small):
        """MaxConcurrentTransforms requests are under way at once; the answers come in the order of the records."""
        lines = b"".join(b"%d\n" % number for number in range(6))
        served(
            small, {"data.csv": lines}, odd={"together": 3}, split_type="Line", batch_strategy="SingleRecord",
            max_concurrent_transforms=3, assemble_with="Line",
        )  # fmt: skip
        step = transformed(small)
        assert answers(step)["data.csv.out"].split() == ["0", "10", "20", "30", "40", "50"]
        assert requests(step)[0]["env"]["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] == "3"

    def test_what_the_container_offers(self, small):
        """What the step doesn't set is what GET /execution-parameters says, of which the container isn't told again."""
        offers = {"MaxConcurrentTransforms": 2, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 1}
        served(small, odd={"offers": offers, "together": 2}, split_type="Line")
        step = transformed(small)
        assert sorted(posts(step)) == ["1,2\n", "3,4\n"]
        assert [name for name in requests(step)[0]["env"] if name.startswith("SAGEMAKER")] == ["SAGEMAKER_BATCH"]

    def test_compressed_input(self, small):
        """Gzip input reaches the container plain; the output's key is the input's with .out."""
        served(small, {"data.csv.gz": gzip.compress(b"1,2\n")}, compression_type="Gzip", content_type="text/csv")
        step = transformed(small)
        assert (posts(step), answers(step)) == (["1,2\n"], {"data.csv.gz.out": "30"})

    def test_a_record_that_is_too_large(self, small):
        """A record beyond MaxPayloadInMB fails the job; the message names the object, the record and what to do."""
        served(small, {"data.csv": b"1\n" + b"1" * 1_100_000 + b"\n"}, split_type="Line", max_payload_in_mb=1)
        why = failed(small).why
        assert "data.csv: record 2 is larger than MaxPayloadInMB allows (1 MB)" in why
        assert "max_payload_in_mb" in why

    def test_no_limit(self, small):
        """MaxPayloadInMB 0 sends an object of any size."""
        served(small, {"data.csv": b"0," * 4_000_000 + b"1\n"}, max_payload_in_mb=0)
        assert answers(transformed(small)) == {"data.csv.out": "10"}

    def test_a_broken_gzip_file(self, small):
        """Input that is no gzip file fails the job, with its name."""
        served(small, compression_type="Gzip")
        assert "data.csv: it is no whole gzip file" in failed(small).why


class TestServer:
    def test_a_refused_record(self, anywhere):
        """An answer other than 2xx fails the job; status, object and the server's words are said, nothing is kept."""
        served(anywhere, odd={"refuses": "3,4"}, split_type="Line", batch_strategy="SingleRecord")
        step = failed(anywhere)
        assert step.why == "data.csv: POST /invocations said 400 Bad Request: no such feature: 3,4"

    def test_a_server_that_never_gets_well(self, anywhere):
        """A server whose /ping isn't 200 in time fails the job, with its last answer and its log."""
        served(anywhere, odd={"ping": 503}, container_startup_health_check_timeout_in_seconds=2)
        step = failed(anywhere)
        assert step.why == "its server was not healthy within 2 s: GET /ping said 503 Service Unavailable"
        assert '"/ping"' in step.log.read_text()

    def test_a_server_that_ends_at_once(self, anywhere):
        """A server that ends before it listens fails the job with its exit code; its log says why."""
        served(anywhere, odd={"exits": "the file is empty"})
        step = failed(anywhere)
        assert "exit code 1" in step.why
        assert step.exit_code == 1
        assert "no weights: the file is empty" in step.log.read_text()

    def test_a_server_that_dies(self, anywhere):
        """A server that dies of a record fails the job with its exit code, and names the object."""
        served(anywhere, odd={"dies": True})
        step = failed(anywhere)
        assert "data.csv: POST /invocations was not answered" in step.why
        assert "(exit code 9)" in step.why

    def test_a_timeout(self, small):
        """A transform that takes too long is ended, and that is why."""
        served(small, odd={"together": 2}, container_startup_health_check_timeout_in_seconds=60)
        small.steps["Transform"]["timeout"] = "2s"
        assert failed(small).why == "timed out after 2 s"

    def test_no_command_here(self, small):
        """Without an image there is no `serve`: nothing is started, and the step is named."""
        served(small)
        del small.steps["Transform"]["entry_point"]
        with pytest.raises(
            DocumentError, match="step 'Transform' is started by its image, and the engine 'local' runs"
        ):
            small.run()

    @pytest.mark.docker
    @pytest.mark.images
    def test_the_image_s_own_server(self, in_docker, image):
        """Without an entry point the image is started with `serve`; image and variables are the model's."""
        import docker

        served(in_docker)
        del in_docker.steps["Transform"]["entry_point"]
        tag = "cursus-sandbox-serving-test:latest"
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            dockerfile = (
                f'FROM {image}\nCOPY server.py /server.py\nENTRYPOINT ["python3", "/server.py"]\nCMD ["other"]\n'
            )
            for name, text in (("Dockerfile", dockerfile), ("server.py", SERVER)):
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        context.seek(0)
        client = docker.from_env()
        try:
            client.images.build(fileobj=context, custom_context=True, tag=tag, rm=True)
            in_docker.steps["Model"]["image"] = tag
            step = transformed(in_docker)
            assert requests(step)[0]["argv"] == ["serve"]
            assert answers(step) == {"data.csv.out": "30\n70"}
        finally:
            client.images.remove(tag, force=True)
            client.close()


class TestModel:
    def test_an_archive_of_yours(self, small):
        """A transform takes a model.tar.gz as it is, without a step that creates a model."""
        served(small)
        archive = small.folder / "given/model.tar.gz"
        archive.parent.mkdir()
        with tarfile.open(archive, "w:gz") as tar:
            content = b'{"weight": 2}'
            member = tarfile.TarInfo("weights.json")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        small.steps["Transform"]["inputs"]["model_name"] = "./given/model.tar.gz"
        assert answers(transformed(small)) == {"data.csv.out": "6\n14"}

    def test_what_is_no_archive(self, small):
        """A model that isn't one fails the step that creates it, and the transform is skipped."""
        served(small)
        small.steps["Model"]["inputs"]["model_data"] = str(small.write("given/model.tar.gz", "no archive"))
        result = small.run()
        assert (result.exit_code, statuses(result)["Transform"]) == (3, "skipped")
        (report,) = [one for one in result.step_results["Model"].reports if one.findings]
        assert str(report.findings[0]).startswith("model.tar.gz: not a readable tar archive")

    def test_the_source_is_not_changed(self, small):
        """What a server writes to /opt/ml/model is its own; the model stays as it was made."""
        served(small)
        model = succeeded(small.run()).step_results["Model"].outputs["model_name"]
        assert sorted(file.name for file in (model / "model").iterdir()) == ["weights.json"]
        assert json.loads((model / "model.json").read_text())["PrimaryContainer"]["Environment"] == {
            "MODE": "of the model"
        }

    def test_code_of_the_model(self, small):
        """A model with a script has its folder in code/ and is told of it, as SageMaker's frameworks are."""
        served(small)
        small.steps["Model"]["entry_point"] = "server.py"
        started = requests(transformed(small))[0]
        assert "code" in started["model"]
        assert started["env"]["SAGEMAKER_PROGRAM"] == "server.py"
        assert started["env"]["SAGEMAKER_SUBMIT_DIRECTORY"] == "/opt/ml/model/code"


class TestDocument:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"split_type": "RecordIO"}, "RecordIO records are not read here; the split types are None and Line"),
            ({"split_type": "TFRecord"}, "TFRecord records are not read here"),
            ({"max_payload_in_mb": 101}, "100"),
            ({"batch_strategy": "MultiRecord"}, "batch_strategy MultiRecord needs records"),
            ({"max_concurrent_transforms": 20, "max_payload_in_mb": 6}, "is 120; CreateTransformJob takes at most 100"),
            ({"split_typ": "Line"}, "Did you mean 'split_type'?"),
        ],
    )
    def test_what_aws_would_refuse(self, small, settings, said):
        """Settings that CreateTransformJob refuses, and those not done here, are errors with file and line."""
        served(small, **settings)
        with pytest.raises(DocumentError) as caught:
            cursus_sandbox.check(small.document)
        assert said in str(caught.value)
        assert [problem.line is not None for problem in caught.value.problems] == [True]

    def test_settings_of_another_step(self, small):
        """`transform:` below a step that is no transform is an error with its line."""
        served(small)
        small.steps["Model"]["transform"] = {"split_type": "Line"}
        with pytest.raises(DocumentError, match=r"has {2}transform:, and contract 'Model' is a CreateModel step"):
            cursus_sandbox.check(small.document)

    def test_the_process_engine_refuses(self, small):
        """On the process engine a transform is refused before anything runs, and what to use is said."""
        served(small)
        with pytest.raises(EngineError, match="step 'Transform' is a transform, and the process engine"):
            small.run(engine="process")
