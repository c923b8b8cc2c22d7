"""Inputs from S3: a real server, SeaweedFS, and wires to it that break."""

import hashlib
import json
import os

import pytest
from s3_server import KEYS, Wire, s3_server
from small_pipeline import said, succeeded

import cursus_sandbox
from cursus_sandbox import DocumentError, SandboxError
from cursus_sandbox.inputs.s3 import fetched, listing
from cursus_sandbox.inputs.s3_access import NoSuchObjectsError, S3Error
from cursus_sandbox.pipeline.source import S3Objects

FILES = "{name: (IN / 'rows' / name).read_text() for name in tree(IN / 'rows') if (IN / 'rows' / name).is_file()}"
READS = f"say(json.dumps({FILES}))"
MB = 1024 * 1024


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """An S3 server of this session's own."""
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def bucket(server, request):
    """A folder of the bucket that the reader may read, for one test."""
    name = request.node.name.translate(str.maketrans("[]/ *", "-----"))
    return f"open/{name}"


@pytest.fixture(autouse=True)
def keys(monkeypatch, tmp_path):
    """The reader's keys in the environment, and no other trace of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["reader"][0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["reader"][1])
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def read(server, tmp_path):
    """What a source brings: the content of each file by its name."""

    def content(uri, url=None, folder=tmp_path / "downloads", **settings):
        source = S3Objects(uri=uri, endpoint_url=url or server.url, **settings)
        return {name: file.read_bytes() for name, file in fetched([listing(source)], folder)[source].items()}

    return content


def digest(content):
    return hashlib.sha256(content).hexdigest()


def rows(small, server, uri, script=READS, **said_of_s3):
    """The small pipeline, with a step that reads rows from S3 and says what it finds."""
    small.step("first", script, inputs={"rows": {"required": True}})
    small.steps["first"]["inputs"] = {"rows": {"s3": uri, "endpoint_url": server.url, **said_of_s3}}
    return small


def test_a_step_reads_from_s3(anywhere, server, bucket):
    """All objects below a prefix are in the input's folder, under what follows the prefix; no credentials are there."""
    for name in ("a.txt", "sub/b.txt"):
        server.put(f"{bucket}/{name}", name.encode())
    script = f"say(json.dumps({FILES} | {{'env': [name for name in os.environ if name.startswith('AWS_')]}}))"
    result = succeeded(rows(anywhere, server, f"s3://{bucket}", script).run())
    assert json.loads(said(result.step_results["first"])) == {"env": [], "a.txt": "a.txt", "sub/b.txt": "sub/b.txt"}
    kept = "".join(file.read_text() for file in result.folder.glob("*.json"))
    assert KEYS["reader"][1] not in kept
    assert f"s3://{bucket}" in kept


def test_what_comes_from_s3_is_checked(small, server, bucket):
    """Data from S3 is looked at as any other that comes from outside: text called Parquet stops the step."""
    server.put(f"{bucket}/a.parquet", b"no parquet")
    result = rows(small, server, f"s3://{bucket}").run()
    assert result.exit_code == 3
    assert "a.parquet" in str(result.step_results["first"].reports)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", {"2024-01.csv", "2024-02.csv", "2024/x.csv", "2024/deep/y.csv", "old/2024-03.csv", "é +%&.csv"}),
        ("/", {"2024-01.csv", "2024-02.csv", "2024/x.csv", "2024/deep/y.csv", "old/2024-03.csv", "é +%&.csv"}),
        ("/2024-01.csv", {"2024-01.csv"}),
        ("/2024", {"x.csv", "deep/y.csv"}),
        ("/2024-", {"2024-01.csv", "2024-02.csv"}),
        ("/ol", {"old/2024-03.csv"}),
        ("/2024-*.csv", {"2024-01.csv", "2024-02.csv"}),
        ("/*/*3.csv", {"old/2024-03.csv"}),
        ("/**/*[12x].csv", {"2024-01.csv", "2024-02.csv", "2024/x.csv"}),
        ("/20??", {"2024/x.csv", "2024/deep/y.csv"}),
        ("/é +%&.csv", {"é +%&.csv"}),
    ],
)
def test_what_a_uri_names(server, read, asked, found):
    """A URI is an object, a folder of keys, the beginning of keys, or a pattern."""
    for name in ("2024-01.csv", "2024-02.csv", "2024/x.csv", "2024/deep/y.csv", "old/2024-03.csv", "é +%&.csv"):
        server.put(f"open/names/{name}", name.encode())
    brought = read(f"s3://open/names{asked}")
    assert set(brought) == found
    assert all(content.decode().endswith(name) for name, content in brought.items())


@pytest.mark.parametrize(
    ("limits", "taken"),
    [
        ({"max_objects": 2}, {"test/1", "train/1"}),
        ({"max_objects": 3}, {"test/1", "train/1", "test/2"}),
        ({"max_bytes": 35}, {"test/1", "train/1", "test/2"}),
        ({"max_objects": 2, "max_bytes": 15}, {"test/1"}),
    ],
)
def test_a_sample(server, bucket, read, limits, taken):
    """Limits take the first object of each folder, then the second; never a marker instead of data."""
    for name in ("test/1", "test/2", "train/1", "train/2", "train/_SUCCESS"):
        server.put(f"{bucket}/{name}", b"ten bytes!")
    assert set(read(f"s3://{bucket}", **limits)) == taken


def test_a_sample_is_said_to_be_one(small, server, bucket):
    """The result says how much of how much was taken."""
    for name in "abc":
        server.put(f"{bucket}/{name}.csv", b"a\n1\n")
    result = succeeded(rows(small, server, f"s3://{bucket}", max_objects=2).run())
    assert f"first:rows is a sample of s3://{bucket}: 2 of 3 objects, 8 of 12 bytes" in result.notes


def test_a_sample_of_nothing(server, bucket, read):
    """A limit that not even the first object keeps to is wrong, not an empty input."""
    server.put(f"{bucket}/a", b"ten bytes!")
    with pytest.raises(NoSuchObjectsError, match="a alone has 10 bytes, and max_bytes is 9"):
        read(f"s3://{bucket}", max_bytes=9)


def test_what_was_fetched_is_kept(server, bucket, read):
    """An object whose ETag is the same is not fetched again; one that came in parts has an ETag that is no MD5."""
    content = os.urandom(12 * MB)
    server.put(f"{bucket}/big", content)
    with server.files.open_input_file(f"{bucket}/big") as opened:
        assert b"-" in opened.metadata()["ETag"]
    with Wire(server) as wire:
        assert digest(read(f"s3://{bucket}", wire.url)["big"]) == digest(content)
        fetched_once = wire.bytes_back
        assert digest(read(f"s3://{bucket}", wire.url)["big"]) == digest(content)
        assert wire.bytes_back - fetched_once < MB


def test_an_interrupted_download_goes_on(server, bucket, read, tmp_path):
    """What a broken wire leaves is no file yet; the next run fetches the rest of it, and only that."""
    content = os.urandom(40 * MB)
    server.put(f"{bucket}/big", content)
    with Wire(server) as whole:
        url = whole.url
        whole.cut_after = 20 * MB
        with pytest.raises(S3Error, match=r"big|can't be reached|answered"):
            read(f"s3://{bucket}", url)
        [part] = (tmp_path / "downloads").rglob("*.part")
        done = part.stat().st_size
        assert 0 < done < len(content)
        assert [file for file in (tmp_path / "downloads").rglob("*") if file.is_file()] == [part]
        whole.cut_after, whole.bytes_back = None, 0
        assert digest(read(f"s3://{bucket}", url)["big"]) == digest(content)
        assert whole.bytes_back < len(content) - done + MB
    assert not part.exists()


def test_another_version_is_fetched_anew(server, bucket, read, tmp_path):
    """What was fetched of an object that has changed since is of no use, and not kept."""
    before, after = (os.urandom(30 * MB) for _ in range(2))
    server.put(f"{bucket}/big", before)
    with Wire(server) as wire:
        wire.cut_after = 15 * MB
        with pytest.raises(S3Error):
            read(f"s3://{bucket}", wire.url)
        server.put(f"{bucket}/big", after)
        wire.cut_after = None
        assert digest(read(f"s3://{bucket}", wire.url)["big"]) == digest(after)
    assert len([file for file in (tmp_path / "downloads").rglob("*") if file.is_file()]) == 1


def test_what_was_fetched_is_bounded(small, server, bucket):
    """Of the objects that no run has, those that were not read for longest go where a workspace takes too much."""
    content = {name: os.urandom(3 * MB) for name in "abc"}
    for name in "abcb":
        server.put(f"{bucket}/{name}", content[name])
        succeeded(rows(small, server, f"s3://{bucket}/{name}", "say('well')").run(cache=False))
    assert cursus_sandbox.clean(small.workspace, max_size="20m").downloads == 0
    done = cursus_sandbox.clean(small.workspace, keep=1, max_size="7m", dry_run=True)
    assert (done.downloads, len(done.removed)) == (1, 3)
    done = cursus_sandbox.clean(small.workspace, keep=1, max_size="7m")
    assert (done.downloads, 3 * MB <= done.freed < 4 * MB, len(done.kept)) == (1, True, 1)
    kept = {file.read_bytes() for file in (small.workspace / "downloads").rglob("*") if file.is_file()}
    assert kept == {content["b"], content["c"]}


def test_an_object_that_changes_while_it_is_read(server, bucket, read):
    """A file never holds the beginning of one version and the end of another."""
    before, after = (os.urandom(30 * MB) for _ in range(2))
    server.put(f"{bucket}/big", before)
    with Wire(server, meanwhile=(12 * MB, lambda: server.put(f"{bucket}/big", after))) as wire:
        assert digest(read(f"s3://{bucket}", wire.url)["big"]) == digest(after)


def test_anyone_may_read_what_is_public(server, read):
    """Without credentials what is public can be read, and nothing else."""
    uri = server.put("public/p.csv", b"p")
    assert read(uri, anonymous=True) == {"p.csv": b"p"}
    with pytest.raises(S3Error, match=r"denies access with no credentials \(anonymous\)(.|\n)*allowed to list"):
        read("s3://closed", anonymous=True)


def test_profiles(server, bucket, read, tmp_path):
    """A profile's keys count, not those of the environment; one that isn't there is named with what is near."""
    server.put(f"{bucket}/a", b"a")
    server.put("closed/c", b"c")
    admin, reader = KEYS["admin"], KEYS["reader"]
    sections = {"boss": admin, "other": (reader[0], "wrong"), "stranger": ("AKIANOBODY", "x")}
    lines = [
        f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key={secret}\n"
        for name, (key, secret) in sections.items()
    ]
    (tmp_path / "credentials").write_text("".join(lines))
    (tmp_path / "config").write_text(
        f"[profile far]\nendpoint_url = {server.url}\nsso_session = x\n[profile boss]\nregion = us-east-1\n"
    )
    assert read("s3://closed/c", profile="boss") == {"c": b"c"}
    for name in ("other", "stranger"):
        with pytest.raises(S3Error, match=f"does not take the credentials of profile '{name}'") as caught:
            read(f"s3://{bucket}", profile=name)
        assert "wrong" not in str(caught.value)
    with pytest.raises(S3Error, match=r"profile 'far' has no keys of its own(.|\n)*export-credentials --profile far"):
        read(f"s3://{bucket}", profile="far")
    with pytest.raises(S3Error, match=r"no AWS profile 'bos' in (.|\n)*Did you mean 'boss'"):
        read(f"s3://{bucket}", profile="bos")
    (tmp_path / "credentials").write_text("[boss]\nnonsense secret\n")
    with pytest.raises(S3Error, match=r"credentials(:\d+)? can't be read") as caught:
        read(f"s3://{bucket}", profile="boss")
    assert "nonsense" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "exit_code", "message"),
    [
        (
            "s3://open/dtaa/",
            2,
            r"input 'rows' of step 'first': there is nothing at s3://open/dtaa/\n  Did you mean 'data'\?",
        ),
        ("s3://open/data/*.json", 2, r"there is nothing at s3://open/data/\*.json"),
        ("s3://closed/c", 4, r"s3://closed/c: http://.* denies access with what the environment and ~/.aws say"),
    ],
)
def test_what_is_not_there(small, server, uri, exit_code, message):
    """What is wrong with a source is said before any step is started; of a document, with its line."""
    server.put("open/data/x.csv")
    with pytest.raises(SandboxError, match=message) as caught:
        rows(small, server, uri).run()
    assert caught.value.exit_code == exit_code
    if exit_code == 2:
        [problem] = caught.value.problems
        assert (problem.file, uri in problem.file.read_text().splitlines()[problem.line - 1]) == (small.document, True)
    assert not (small.workspace / "runs" / "any").exists()
    assert [*small.workspace.glob("runs/*")] == []


def test_no_bucket(server, read, monkeypatch):
    """A bucket that isn't there is an error of the document, for who may know that."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["admin"][0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["admin"][1])
    with pytest.raises(NoSuchObjectsError, match="there is no bucket 'nosuchbucket' at http"):
        read("s3://nosuchbucket/x")


def test_nobody_answers(small, tmp_path):
    """A server that can't be reached ends the run with 4; a plan doesn't ask it."""
    small.step("first", READS, inputs={"rows": {"required": True}})
    small.steps["first"]["inputs"] = {"rows": "s3://bucket/x"}
    settings = {"endpoint_url": "http://127.0.0.1:9"}
    planned = cursus_sandbox.check(small.document, s3=settings)
    assert str(planned.steps[0].inputs[0].source) == "s3://bucket/x"
    with pytest.raises(
        S3Error, match=r"s3://bucket/x: http://127.0.0.1:9 can't be reached(.|\n)*endpoint_url"
    ) as caught:
        small.run(s3=settings)
    assert caught.value.exit_code == 4


def test_inputs_that_nothing_feeds(small, server):
    """With the data source s3 they are below a prefix, each under its step and channel."""
    server.put("open/mine/first/rows/a.csv", b"a\n1\n")
    small.step("first", READS, inputs={"rows": {"required": True}, "spare": {"required": False}})
    settings = {"endpoint_url": server.url, "prefix": "s3://open/mine/"}
    result = succeeded(small.run(data_source="s3", s3=settings))
    assert json.loads(said(result.step_results["first"])) == {"a.csv": "a\n1\n"}
    with pytest.raises(DocumentError, match=r"no prefix of S3(.|\n)*s3: {prefix: s3://BUCKET/PREFIX}"):
        small.run(data_source="s3")


def test_bound_from_outside(small, server, bucket):
    """An option binds an input to S3, as an environment variable names the server."""
    server.put(f"{bucket}/a.csv")
    small.step("first", READS, inputs={"rows": {"required": True}})
    result = succeeded(small.run(inputs={"first:rows": f"s3://{bucket}/a.csv"}, s3={"endpoint_url": server.url}))
    assert said(result.step_results["first"]) == '{"a.csv": "a\\n1\\n"}'
