"""What an earlier run left is taken over where nothing that a step depends on has changed, and only there."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_pipeline import COMMAND, SmallPipeline, Watched, said, statuses, succeeded

import cursus_sandbox
from cursus_sandbox import DocumentError
from cursus_sandbox.engines.local import LocalEngine


def chain(small: SmallPipeline) -> SmallPipeline:
    """Three steps, each of which adds a letter to what the one before it said; the first reads a folder."""
    small.write("given/a.csv", "x\n1\n")
    small.write("given/b.csv", "x\n2\n")
    small.step("one", "say(str(len(tree(IN / 'data'))))", reads={"data": "./given"}, env={"WHAT": "it"})
    small.step("two", "say((IN / 'data/said').read_text() + 'b')", reads={"data": "one:out"})
    small.step("three", "say((IN / 'data/said').read_text() + 'c')", reads={"data": "two:out"})
    return small


def files(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob("*")) if file.is_file()}


def because(result) -> dict[str, str]:
    return {step.step: step.because for step in result.steps}


def counting(names: list[str]) -> Watched:
    """The local engine, which notes each job that it runs."""

    def run(job, run):
        names.append(job.name)
        return run()

    return Watched(run)


def test_a_run_that_changes_nothing(anywhere):
    """The second run starts nothing, says from which run each step's outputs are, and has all of them for itself."""
    first = succeeded(chain(anywhere).run())
    second = succeeded(anywhere.run())
    assert statuses(second) == dict.fromkeys(("one", "two", "three"), "reused")
    assert {step.why for step in second.steps} == {f"unchanged since run {first.run}"}
    shutil.rmtree(first.folder)
    assert said(second.step_results["three"]) == "2bc"
    assert second.step_results["one"].log.read_bytes() == b""
    third = succeeded(anywhere.run())
    assert {step.why for step in third.steps} == {f"unchanged since run {first.run}"}
    assert said(third.step_results["three"]) == "2bc"


def test_nothing_is_started(small):
    """No job reaches the engine."""
    names = []
    succeeded(chain(small).run(engine=counting(names)))
    assert names == ["one", "two", "three"]
    succeeded(small.run(engine=counting(names)))
    assert names == ["one", "two", "three"]


def test_what_a_result_says_is_said_again(small):
    """Metrics, messages, warnings and data checks of a step that is taken over are those of the run it ran in."""
    small.step("one", "say('{\"auc\": 0.5}', name='metrics.json'); (ML / 'output/message').write_text('done')")
    first, second = (succeeded(small.run()).step_results["one"] for _ in range(2))
    assert (second.metrics, second.message) == ({"auc": 0.5}, "done")
    assert second.reports == first.reports
    assert (second.seconds, second.attempts, second.started_at) == (0, 0, None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda small: small.write("scripts/one.py", "# new\n" + (small.folder / "scripts/one.py").read_text()),
            "code",
        ),
        (lambda small: small.steps["one"].update(env={"WHAT": "else"}), "environment changed: WHAT"),
        (lambda small: small.steps["one"].update(arguments=["--x"]), "settings changed: arguments"),
        (lambda small: small.steps["one"].update(network=True), "settings changed: network"),
        (lambda small: small.steps["one"].update(instance_count=2), "settings changed: instance_count"),
        (lambda small: small.write("given/b.csv", "x\n3\n"), "input data changed: b.csv"),
        (lambda small: small.write("given/c.csv", "x\n3\n"), "input data changed: c.csv"),
        (lambda small: [small.write(f"given/{n}", "") for n in range(3)], "input data changed: 3 of 5 files"),
    ],
)
def test_what_makes_a_step_run_again(small, change, why):
    """A step runs again when its code, its settings or the content of its inputs change, and the result says what did.

    A step that reads the same as before is taken over, though the one before it has run again.
    """
    succeeded(chain(small).run())
    change(small)
    result = succeeded(small.run())
    reads_more = said(result.step_results["one"]) != "2"
    assert statuses(result)["one"] == "succeeded"
    assert because(result)["one"].startswith(why if why != "code" else "code changed: one.py")
    if reads_more:
        assert because(result) | {"one": ""} == {
            "one": "",
            "two": "input data changed: said",
            "three": "input data changed: said",
        }
    else:
        assert statuses(result) == {"one": "succeeded", "two": "reused", "three": "reused"}
    assert set(statuses(succeeded(small.run())).values()) == {"reused"}


@pytest.mark.parametrize(
    "change",
    [
        lambda small: small.steps["one"].update(timeout="5m", grace="3s"),
        lambda small: small.steps["one"].update(resources={"memory": "1g"}),
        lambda small: small.write("given/a.csv", "x\n1\n"),
        lambda small: small.write("scripts/__pycache__/one.pyc", "x"),
        lambda small: small.folder.rename(small.folder.parent / "elsewhere"),
    ],
)
def test_what_does_not_make_a_step_run_again(small, change):
    """How long and how large a step may get, a file's age, and where the folders are, say nothing of its outcome."""
    succeeded(chain(small).run())
    change(small)
    if not small.folder.exists():
        small = SmallPipeline(small.folder.parent / "elsewhere", small.engine, steps=small.steps)
    assert set(statuses(succeeded(small.run())).values()) == {"reused"}


def test_what_a_link_in_a_matched_folder_leads_to(small):
    """A pattern's folders are read with what links in them lead to: that counts by its content, as the step sees it."""
    small.write("given/sub/rows.txt", "1")
    (small.folder / "given/sub/out").symlink_to("../../outside")
    (small.folder / "given/sub/file.txt").symlink_to("../../outside/rows.txt")
    script = "say(str([file.read_text() for file in sorted((IN / 'data').rglob('*.txt'))]))"
    small.step("one", script, reads={"data": "./given/*"})
    for word in ("a", "b"):
        small.write("outside/rows.txt", word)
        assert said(succeeded(small.run()).step_results["one"]) == str([word, word, "1"])
    assert statuses(succeeded(small.run())) == {"one": "reused"}


def test_a_pattern_that_matches_the_workspace(small):
    """The workspace is nobody's input: what `*` matches is read without it, and is the same run by run."""
    small.write("given/rows.txt", "1")
    small.workspace_folder = small.folder / "given/workspace"
    small.step("one", "say(str(tree(IN / 'data')))", reads={"data": "./given/*"})
    assert said(succeeded(small.run()).step_results["one"]) == "['rows.txt']"
    assert statuses(succeeded(small.run())) == {"one": "reused"}


def test_a_table_counts_by_what_is_in_it(small):
    """A Parquet file that is packed otherwise is the same input; one with another value is another."""
    table = pa.table({"x": range(5000), "y": [None, "a", "b", "c"] * 1250})
    file = small.folder / "given/part-0.parquet"
    file.parent.mkdir()
    pq.write_table(table, file, compression="snappy")
    small.step("one", "say(str(sorted(tree(IN / 'data'))))", reads={"data": "./given"})
    succeeded(small.run())
    pq.write_table(table, file, compression="zstd", row_group_size=1000, write_statistics=False)
    assert statuses(succeeded(small.run())) == {"one": "reused"}
    pq.write_table(table.set_column(0, "x", [[*range(4999), 0]]), file)
    assert because(succeeded(small.run()))["one"] == "input data changed: part-0.parquet"


def test_a_table_that_a_step_writes_otherwise(small):
    """A step that leaves the same table, packed otherwise each time, costs those after it nothing."""
    write = """
import pyarrow as pa, pyarrow.parquet as pq, random
pq.write_table(pa.table({'x': [1, 2]}), OUT / 'out/x.parquet', compression=random.choice(['zstd', 'gzip']))
"""
    small.step("one", write)
    small.steps["one"]["cache"] = False
    small.step("two", "say(str(sorted(tree(IN / 'data'))))", reads={"data": "one:out"})
    written = set()
    for _ in range(20):
        result = succeeded(small.run())
        written.add((result.step_results["one"].outputs["out"] / "x.parquet").read_bytes())
        if len(written) > 1:
            break
    assert len(written) > 1
    assert statuses(result) == {"one": "succeeded", "two": "reused"}


def test_a_change_that_is_taken_back(small):
    """What any earlier run left is found, not only the newest one's."""
    succeeded(chain(small).run())
    small.write("given/b.csv", "y\n3\n")
    succeeded(small.run())
    small.write("given/b.csv", "x\n2\n")
    assert set(statuses(succeeded(small.run())).values()) == {"reused"}


def test_a_failure_is_never_kept(small):
    """A step that failed runs again, and so does what depended on it; what had succeeded doesn't."""
    chain(small)
    small.step("two", "sys.exit(1)", reads={"data": "one:out"})
    assert not small.run().success
    result = small.run()
    assert statuses(result) == {"one": "reused", "two": "failed", "three": "skipped"}
    assert because(result)["two"] == "it has not run before"


def test_steps_that_are_told_to_run_again(small):
    """--no-cache runs all, --force one; neither keeps later runs from taking over what they left."""
    succeeded(chain(small).run())
    result = succeeded(small.run(force=["two"]))
    assert statuses(result) == {"one": "reused", "two": "succeeded", "three": "reused"}
    assert because(result)["two"] == "--force"
    result = succeeded(small.run(cache=False))
    assert set(because(result).values()) == {"--no-cache"}
    assert {step.why for step in succeeded(small.run()).steps} == {f"unchanged since run {result.run}"}
    with pytest.raises(DocumentError, match=r"no step is called 'tow'\n.*'two'"):
        small.run(force=["tow"])


def test_a_step_that_the_document_keeps_out(small):
    """A step with `cache: false` runs every time; what reads it is taken over while it leaves the same."""
    chain(small)
    small.steps["one"]["cache"] = False
    succeeded(small.run())
    result = succeeded(small.run())
    assert statuses(result) == {"one": "succeeded", "two": "reused", "three": "reused"}
    assert because(result)["one"] == "the document says  cache: false"


def damaged(run: Path, how: str) -> str:
    file = run / "steps/two/outputs/out/said"
    if how == "missing":
        file.unlink()
        return "out/said is missing"
    if how == "other bytes":
        file.write_text("2B")
        return "out/said has other bytes"
    if how == "longer":
        file.write_text("2bb")
        return "out/said is another file"
    if how == "a link":
        file.rename(file.with_name("moved"))
        file.symlink_to("moved")
        return "out/said is another file"
    record = run / "steps/two/record.json"
    record.write_text({"no JSON": "{", "something else": "[]", "outside": ""}[how] or outside(record))
    return "its record can't be read: "


def outside(record: Path) -> str:
    content = json.loads(record.read_text())
    content["files"]["../../../../../../x"] = content["files"]["out/said"]
    return json.dumps(content)


@pytest.mark.parametrize("how", ["missing", "other bytes", "longer", "a link", "no JSON", "something else", "outside"])
def test_what_is_damaged_is_set_aside(small, how):
    """Outputs that are not what they were are not taken over: the record is set aside, that is said, the step runs."""
    first = succeeded(chain(small).run())
    why = damaged(first.folder, how)
    result = succeeded(small.run())
    assert statuses(result) == {"one": "reused", "two": "succeeded", "three": "reused"}
    assert because(result)["two"].startswith(f"what run {first.run} had kept of it is damaged: {why}")
    assert any(note.startswith("two: what run") and note.endswith("; it is set aside") for note in result.notes)
    assert [one.name[:15] for one in (first.folder / "steps/two").glob("record*")] == ["record.corrupt-"]
    assert said(result.step_results["three"]) == "2bc"
    assert set(statuses(succeeded(small.run())).values()) == {"reused"}


def test_all_that_is_damaged_is_told(small):
    """Of steps whose records are damaged each has its note, though they find that out at the same time."""
    names = [f"step{number}" for number in range(8)]
    for name in names:
        small.step(name)
    first = succeeded(small.run())
    for name in names:
        (first.folder / "steps" / name / "record.json").write_text("{")
    told = [note.partition(":")[0] for note in succeeded(small.run(jobs=8)).notes if "it is set aside" in note]
    assert sorted(told) == names


def test_only_what_is_damaged_is_set_aside(small):
    """Where a link leads to what came of something else, and the newest record is damaged, that one is set aside."""
    first = succeeded(chain(small).run())
    small.write("given/b.csv", "x\n3\n")
    second = succeeded(small.run())
    old, new = (run.folder / "steps/one" for run in (first, second))
    link = small.workspace / "cache/keys" / json.loads((new / "record.json").read_text())["key"]
    link.unlink()
    link.symlink_to(f"../../runs/{first.run}/steps/one")
    (new / "record.json").write_text("{")
    assert because(succeeded(small.run()))["one"].startswith(f"what run {second.run} had kept of it is damaged: ")
    assert (old / "record.json").exists()
    assert [one.name[:15] for one in new.glob("record*")] == ["record.corrupt-"]


def test_a_workspace_that_was_copied_is_looked_at_whole(small):
    """Where a file's inode is another one its bytes are read, and then it is as good as before."""
    succeeded(chain(small).run())
    shutil.copytree(small.workspace, small.folder / "copy", symlinks=True)
    shutil.rmtree(small.workspace)
    result = succeeded(small.run(workspace=small.folder / "copy"))
    assert set(statuses(result).values()) == {"reused"}
    (result.folder.parents[0] / result.step_results["one"].why.split()[-1] / "steps/two/outputs/out/said").unlink()
    assert set(statuses(succeeded(small.run(workspace=small.folder / "copy"))).values()) == {"reused"}


def test_a_workspace_that_was_copied_with_its_links_followed(small):
    """What stands where links belong, or in the place of their folder, is replaced: what ran then is taken over."""
    succeeded(chain(small).run())
    copy = shutil.copytree(small.workspace, small.folder / "copy")
    assert not any(one.is_symlink() for one in (copy / "cache/keys").iterdir())
    assert statuses(succeeded(small.run(workspace=copy))) == dict.fromkeys(("one", "two", "three"), "succeeded")
    assert statuses(succeeded(small.run(workspace=copy))) == dict.fromkeys(("one", "two", "three"), "reused")
    shutil.rmtree(copy / "cache")
    (copy / "cache").touch()
    succeeded(small.run(workspace=copy))
    assert statuses(succeeded(small.run(workspace=copy))) == dict.fromkeys(("one", "two", "three"), "reused")


def test_copies_in_the_place_of_links_are_cleaned_away(small):
    """`clean` takes away what is no link among those of the cache."""
    succeeded(chain(small).run())
    copy = shutil.copytree(small.workspace, small.folder / "copy")
    cursus_sandbox.clean(copy)
    assert not [*(copy / "cache/keys").iterdir(), *(copy / "cache/newest").iterdir()]


def test_an_input_that_changes_while_it_is_read(small):
    """What a step made of an input that changed under it is not taken over by a later run."""
    chain(small)

    def change(job, run):
        ended = run()
        if job.name == "one":
            small.write("given/b.csv", "x\n9\n")
        return ended

    succeeded(small.run(engine=Watched(change)))
    small.write("given/b.csv", "x\n2\n")
    assert statuses(succeeded(small.run())) == {"one": "succeeded", "two": "reused", "three": "reused"}


def test_warnings_are_not_taken_over_by_a_strict_run(small):
    """What only a run without --strict lets pass is run again by one with it, and fails there."""
    small.step("one", "say('x'); (ML / 'lost').mkdir(); (ML / 'lost/it').write_text('x')")
    assert succeeded(small.run()).step_results["one"].warnings
    assert succeeded(small.run()).step_results["one"].warnings
    result = small.run(strict=True)
    assert statuses(result) == {"one": "failed"}
    assert because(result)["one"] == "it left warnings, and --strict takes them for errors"


def test_empty_folders_links_and_optional_outputs(small):
    """What is taken over is all that was there: empty folders and an optional output that wasn't left."""
    small.step(
        "one",
        "say('x'); (OUT / 'out/empty/deep').mkdir(parents=True)",
        outputs={"out": {}, "more": {"required": False}},
    )
    small.step("two", "say(json.dumps(tree(IN / 'data')))", reads={"data": "one:out"})
    first, second = succeeded(small.run()), succeeded(small.run())
    assert sorted(second.step_results["one"].outputs) == sorted(first.step_results["one"].outputs) == ["out"]
    assert [str(one.relative_to(second.folder)) for one in (second.folder / "steps/one/outputs").rglob("*")] == [
        str(one.relative_to(first.folder)) for one in (first.folder / "steps/one/outputs").rglob("*")
    ]
    succeeded(small.run(force=["two"]))


def test_another_engine_is_another_outcome(small):
    """What one engine's run left is not taken over on another one."""
    small.step("one", "pass\ndef main(input_paths, output_paths, environ_vars, job_args): pass", outputs={})
    succeeded(small.run())
    assert because(succeeded(small.run(engine="process")))["one"].startswith("another engine: process, not local")
    assert statuses(succeeded(small.run(engine=LocalEngine.connect()))) == {"one": "reused"}


def test_another_image_under_the_same_name(in_docker):
    """An image is known by what it is, whatever it is called."""
    name = f"cursus-sandbox-test-{uuid4().hex}"
    docker = ["docker", "tag", in_docker.image, name]
    subprocess.run(docker, check=True)
    try:
        in_docker.image = name
        in_docker.step("one")
        succeeded(in_docker.run())
        assert statuses(succeeded(in_docker.run())) == {"one": "reused"}
        made = subprocess.run(
            ["docker", "create", name, "true"], check=True, capture_output=True, text=True
        ).stdout.strip()
        subprocess.run(["docker", "commit", "--change", "ENV NEW=1", made, name], check=True, capture_output=True)
        subprocess.run(["docker", "rm", made], check=True, capture_output=True)
        assert because(succeeded(in_docker.run()))["one"] == f"{name} changed"
        explain = [COMMAND, "explain", "one", "--workspace", str(in_docker.workspace)]
        told = subprocess.run(explain, check=True, capture_output=True, text=True).stdout
        assert re.search(rf"    image {name}: [0-9a-f]{{12}} -> [0-9a-f]{{12}}\n", told), told
    finally:
        subprocess.run(["docker", "rmi", name], check=True, capture_output=True)


def test_another_secret(small, monkeypatch):
    """A secret counts, and nothing that is kept tells it."""
    small.step("one", "print(os.environ['TOKEN']); say('x')", secrets={"TOKEN": "env:MY_TOKEN"})
    monkeypatch.setenv("MY_TOKEN", "first-token-123")
    succeeded(small.run())
    assert statuses(succeeded(small.run())) == {"one": "reused"}
    monkeypatch.setenv("MY_TOKEN", "second-token-456")
    assert because(succeeded(small.run()))["one"] == "secrets changed: values"
    kept = b"".join(file.read_bytes() for file in small.workspace.rglob("*") if file.is_file())
    assert b"first-token" not in kept
    assert b"second-token" not in kept


def test_synthetic_inputs_are_known_by_their_recipe(small):
    """Data that are made up are the same for the same rows and seed: nothing is made to find that out."""
    schema = {"fields": [{"name": "x", "type": "integer"}]}
    small.step("one", "say(str(tree(IN / 'data')))", reads={"data": "x"}, schemas={"data": schema})
    small.steps["one"]["inputs"] = {"data": {"synthetic": {"rows": 10}}}
    succeeded(small.run())
    second = succeeded(small.run())
    assert statuses(second) == {"one": "reused"}
    assert not (second.folder / "inputs").exists()
    small.steps["one"]["inputs"] = {"data": {"synthetic": {"rows": 10, "seed": 1}}}
    assert because(succeeded(small.run()))["one"] == "input data changed: recipe"


def test_a_manifest_counts_by_what_it_lists(small):
    """An input that a manifest lists has changed when one of those files has."""
    small.write("given/a.csv", "x\n1\n")
    small.write("given/b.csv", "x\n1\n")
    small.write("list.json", '[{"prefix": "./given/"}, "a.csv"]')
    small.step("one", "say(str(tree(IN / 'data')))", reads={"data": "x"})
    small.steps["one"]["inputs"] = {"data": {"manifest": "list.json"}}
    succeeded(small.run())
    small.write("given/b.csv", "x\n2\n")
    assert statuses(succeeded(small.run())) == {"one": "reused"}
    small.write("given/a.csv", "x\n2\n")
    assert because(succeeded(small.run()))["one"] == "input data changed: a.csv"


def test_outputs_of_a_part_are_the_run_s_own(small):
    """What --only brings along from an earlier run is whole in the new one, unless somebody has changed it there."""
    first = succeeded(chain(small).run())
    second = succeeded(small.run(only=["two"], force=["two"]))
    assert second.step_results["one"].outputs["out"].is_relative_to(second.folder)
    shutil.rmtree(first.folder)
    (second.step_results["one"].outputs["out"] / "said").write_text("by hand")
    third = succeeded(small.run(only=["two"]))
    assert said(third.step_results["two"]) == "by handb"
    assert third.step_results["one"].outputs["out"].is_relative_to(second.folder)


def test_a_log_is_carried_along(small):
    """The log of a step that was taken over is that of the run it ran in."""
    small.step("one", "print('hello'); say('x')")
    succeeded(small.run())
    assert succeeded(small.run()).step_results["one"].log.read_text() == "hello\n"
