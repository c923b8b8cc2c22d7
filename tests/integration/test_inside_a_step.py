"""What a step finds when it starts, and what it can't reach."""

import hashlib
import json
from pathlib import Path

import pytest
from small_pipeline import said, succeeded

from cursus_sandbox.errors import DocumentError


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_files_are_at_the_real_paths(anywhere):
    """A step reads its input at the container path of its contract, and writes where its contract says."""
    anywhere.step("first", "say('from first', name='data.txt')")
    script = "say((IN / 'data' / 'data.txt').read_text() + f', read by {__file__} with {sys.argv[1:]}')"
    heard = anywhere.said_by("second", script, reads={"data": "first:out"}, arguments=["--fast", "a b"])
    assert heard == "from first, read by /opt/ml/processing/input/code/second.py with ['--fast', 'a b']"


def test_what_was_mounted_is_told(anywhere):
    """The result says what a step saw at each path, and where that is here."""
    anywhere.step("first")
    anywhere.step("second", reads={"data": "first:out"})
    result = succeeded(anywhere.run())
    mounts = {row.path: row for row in result["second"].mounts}
    assert mounts["/opt/ml/processing/input/data"].source == result["first"].outputs["out"]
    assert mounts["/opt/ml/processing/input/data"].mode == "private"
    assert mounts["/opt/ml/processing/output/out"].mode == "writable"


def test_inputs_are_private_and_writable(anywhere):
    """A step may change, add and delete its input's files; the producer's outputs keep their bytes."""
    anywhere.step(
        "first", "say('kept'); say('kept too', name='other'); (OUT / 'out' / 'sub').mkdir(); say('x', name='sub/x')"
    )
    anywhere.step(
        "second",
        "data = IN / 'data'; (data / 'said').write_text('changed'); (data / 'other').unlink(); (data / 'new').touch();"
        "say(json.dumps(tree(data)))",
        reads={"data": "first:out"},
    )
    anywhere.step("third", "say((IN / 'data' / 'said').read_text())", reads={"data": "first:out"}, depends_on="second")
    result = succeeded(anywhere.run()).step_results
    assert json.loads(said(result["second"])) == ["new", "said", "sub", "sub/x"]
    assert said(result["third"]) == "kept"
    assert sorted(digests(result["first"].outputs["out"])) == ["other", "said", "sub/x"]
    assert said(result["first"]) == "kept"


def test_inputs_from_outside_keep_their_bytes(anywhere):
    """A folder of this machine that is bound to an input is not changed by what the step writes there."""
    given = anywhere.write("given/data.txt", "given").parent
    script = "file = IN / 'data' / 'data.txt'; before = file.read_text(); file.write_text('changed'); say(before)"
    assert anywhere.said_by("reader", script, reads={"data": "./given"}) == "given"
    assert (given / "data.txt").read_text() == "given"


def test_an_unbound_optional_channel_is_absent(anywhere):
    """An optional input that nothing is bound to has no folder, not an empty one."""
    heard = anywhere.said_by(
        "reader", "say(json.dumps([(IN / 'model').exists(), tree(IN)]))", inputs={"model": {"required": False}}
    )
    assert json.loads(heard) == [False, ["code", "code/reader.py"]]


def test_an_optional_output_that_was_not_left_is_absent_at_its_reader(small):
    """An optional input bound to an optional output that stayed empty has no folder either."""
    small.step("first", outputs={"out": {}, "extra": {"required": False}})
    small.step(
        "second",
        "say(str((IN / 'extra').exists()))",
        reads={"extra": "first:extra"},
        inputs={"extra": {"required": False}},
    )
    result = succeeded(small.run()).step_results
    assert said(result["second"]) == "False"
    assert set(result["first"].outputs) == {"out"}


def test_a_single_file_arrives_alone_in_its_folder(anywhere):
    """A file bound to a folder channel lies there alone, under its own name, and may be changed for the step only."""
    given = anywhere.write("given/one.txt", "one")
    anywhere.write("given/two.txt", "two")
    script = "say(json.dumps([tree(IN / 'data'), (IN / 'data' / 'one.txt').read_text()]));"
    script += "(IN / 'data' / 'one.txt').write_text('changed')"
    assert json.loads(anywhere.said_by("reader", script, reads={"data": "./given/one.txt"})) == [["one.txt"], "one"]
    assert given.read_text() == "one"


def test_nested_channels(anywhere):
    """A channel inside another's folder shows its own files, and neither producer's folder gains an entry."""
    anywhere.step("outer", "say('outer')")
    anywhere.step("inner", "say('inner')")
    anywhere.step(
        "reader",
        "(IN / 'model' / 'new').touch(); say(json.dumps([tree(IN), (IN / 'model' / 'said').read_text()]))",
        reads={"data": "outer:out", "model": "inner:out"},
        inputs={"data": {"path": "/opt/ml/processing/input"}},
    )
    result = succeeded(anywhere.run()).step_results
    seen = ["code", "code/reader.py", "model", "model/new", "model/said", "said"]
    assert json.loads(said(result["reader"])) == [seen, "inner"]
    assert [digests(result[name].outputs["out"]).keys() for name in ("outer", "inner")] == [{"said"}, {"said"}]


def test_output_folders_are_there_and_empty(anywhere):
    """A step's output folders exist before it starts; it need not make them."""
    script = "before = [tree(OUT / 'out'), tree(OUT / 'report')]; say('r', 'report'); say(json.dumps(before))"
    assert json.loads(anywhere.said_by("writer", script, outputs={"out": {}, "report": {}})) == [[], []]


def test_nothing_outside_the_declared_channels_is_shared(anywhere):
    """What a step leaves in /tmp, in its home or elsewhere below /opt/ml is gone for the next one."""
    anywhere.step(
        "first",
        "for folder in (Path('/tmp'), Path.home(), IN, ML): (folder / 'left').write_text('x')\nsay('x')",
    )
    heard = anywhere.said_by(
        "second",
        "left = [str(folder) for folder in (Path('/tmp'), Path.home(), IN, ML) if (folder / 'left').exists()]\n"
        "say(json.dumps([left, tree(IN), 'SECRET' in os.environ]))",
        reads={"data": "first:out"},
    )
    assert json.loads(heard) == [[], ["code", "code/second.py", "data", "data/said"], False]


def test_a_plain_script_is_brought_alone(anywhere):
    """Without a source folder in its contract, a step gets its one script and no neighbour."""
    anywhere.write("scripts/neighbour.py", "")
    heard = anywhere.said_by("alone", "say(json.dumps(tree(IN / 'code')))")
    assert json.loads(heard) == ["alone.py"]


def test_a_whole_source_folder_is_brought(anywhere):
    """With one, it gets all of it, runs there, imports its neighbours, and finds it at /opt/ml/code too."""
    anywhere.write("scripts/neighbour.py", "NAME = 'a neighbour'")
    anywhere.write("scripts/sub/settings.json", "{}")
    script = (
        "import neighbour; say(json.dumps([neighbour.NAME, os.getcwd(), (ML / 'code/sub/settings.json').exists()]))"
    )
    heard = anywhere.said_by("whole", script, source_dir=True)
    assert json.loads(heard) == ["a neighbour", "/opt/ml/processing/input/code", True]


@pytest.mark.parametrize("kind", ["Processing", "Training"])
def test_a_source_folder_that_holds_the_workspace(anywhere, kind):
    """It is brought without the workspace, in which other runs are, and without what tools keep: that is no code."""
    anywhere.workspace_folder = anywhere.folder / "scripts/.cursus-sandbox"
    anywhere.write("scripts/.git/HEAD", "")
    script = "(OUT / 'out/x').touch(); print(json.dumps([tree(ML / 'code'), tree(IN / 'code')]))"
    out = {"out": {"path": "/opt/ml/processing/output/out"}}
    if kind == "Training":
        script = script.replace("OUT / 'out/x'", "ML / 'output/data/x'")
        out = {"out": {"path": "/opt/ml/output/data"}}
    anywhere.step("whole", script, source_dir=True, kind=kind, outputs=out)
    unpacked = {"Processing": ["sourcedir.tar.gz", "whole.py"], "Training": []}
    for _ in range(2):
        log = succeeded(anywhere.run(cache=False)).step_results["whole"].log.read_text()
        assert json.loads(log.splitlines()[-1]) == [["whole.py"], unpacked[kind]]


def test_the_requirements_of_a_source_folder(anywhere):
    """What requirements.txt asks for is installed before the script runs: what is there already needs no network."""
    anywhere.write("scripts/requirements.txt", "pip\n")
    script = "say(json.dumps(sys.argv[1:]))"
    heard = anywhere.said_by("whole", script, source_dir=True, arguments=["a b", "*", "$HOME"])
    assert json.loads(heard) == ["a b", "*", "$HOME"]
    assert (
        "Requirement already satisfied: pip" in next(anywhere.workspace.glob("runs/*/steps/whole/log.txt")).read_text()
    )
    anywhere.write("scripts/requirements.txt", "no-such-package-anywhere==1\n")
    step = anywhere.run().step_results["whole"]
    assert "pip could not install no-such-package-anywhere==1" in step.why


def test_a_manifest_brings_single_objects(anywhere):
    """What a manifest lists arrives under its keys, nothing else does, and the job's settings say ManifestFile."""
    for name in ("a.csv", "2026/b.csv", "c.csv"):
        anywhere.write(f"data/{name}", "n\n1\n")
    manifest = anywhere.write("data/files.json", '[{"prefix": "./"}, "a.csv", "2026/b.csv"]')
    anywhere.step(
        "read",
        "(given, _) = json.loads((ML / 'config/processingjobconfig.json').read_text())['ProcessingInputs']\n"
        "say(json.dumps([tree(IN / 'rows'), given['S3Input']['S3DataType']]))",
        inputs={"rows": {"path": "/opt/ml/processing/input/rows", "required": True}},
    )
    anywhere.steps["read"]["inputs"] = {"rows": {"manifest": str(manifest)}}
    heard = said(succeeded(anywhere.run()).step_results["read"])
    assert json.loads(heard) == [["2026", "2026/b.csv", "a.csv"], "ManifestFile"]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("{}", "it is not of the form"),
        ("[", "it is no JSON"),
        ('[{"prefix": "s3://bucket/"}, "a"]', "here it can only be a folder"),
        ('[{"prefix": "./"}, "../a"]', "leads out of the prefix"),
        ('[{"prefix": "./"}, "a", "b"]', "and there is no such file"),
        ('[{"prefix": "./"}]', "it is not of the form"),
    ],
)
def test_a_manifest_that_is_wrong(small, content, wrong):
    """What is wrong with a manifest is said before anything is started."""
    manifest = small.write("files.json", content)
    small.step("read", inputs={"rows": {"path": "/opt/ml/processing/input/rows", "required": True}})
    small.steps["read"]["inputs"] = {"rows": {"manifest": str(manifest)}}
    with pytest.raises(DocumentError) as error:
        small.run()
    assert wrong in str(error.value)
    assert not small.workspace.exists()


def test_an_output_that_would_be_uploaded_while_the_job_runs(small):
    """Continuous is in the job's settings; a note says that here it is uploaded at the end."""
    script = "say((ML / 'config/processingjobconfig.json').read_text())"
    small.step("read", script, upload_mode={"out": "Continuous"})
    result = succeeded(small.run())
    (output,) = json.loads(said(result.step_results["read"]))["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3UploadMode"] == "Continuous"
    assert any("is uploaded at the end, not while it runs (S3UploadMode)" in note for note in result.notes)


def test_the_environment_is_the_contract_s_and_the_document_s(anywhere, monkeypatch):
    """A step's variables reach it; the variables of this process don't."""
    monkeypatch.setenv("SECRET", "do-not-leak")
    script = "say(json.dumps([os.environ.get('MODE'), os.environ.get('SECRET')]))"
    assert json.loads(anywhere.said_by("reader", script, env={"MODE": "fast é"})) == ["fast é", None]


def test_the_settings_of_a_processing_job(anywhere):
    """A step finds its job's settings where SageMaker leaves them; the hosts are the one it runs on."""
    script = "say(json.dumps({file.name: json.loads(file.read_text()) for file in (ML / 'config').iterdir()}))"
    files = json.loads(anywhere.said_by("reader", script, arguments=["--fast"], env={"MODE": "x"}))
    job, hosts = files["processingjobconfig.json"], files["resourceconfig.json"]
    assert job["AppSpecification"]["ContainerArguments"] == ["--fast"]
    assert job["Environment"] == {"MODE": "x"}
    assert hosts == {"current_host": "algo-1", "hosts": ["algo-1"]}
