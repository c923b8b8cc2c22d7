"""What a document may write as an input, and what that means."""

from pathlib import Path

import pytest

from cursus_sandbox.pipeline.source import Located, S3Objects, S3Settings, StepOutput, given, source


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a:b", StepOutput(step="a", channel="b")),
        ("./a:b", Located(path=Path("a:b"))),
        ("data", Located(path=Path("data"))),
        ("data/2024-*.parquet", Located(path=Path("data"), pattern="2024-*.parquet")),
        ("a/**/b?/[0-9].csv", Located(path=Path("a"), pattern="**/b?/[0-9].csv")),
        ("*", Located(path=Path(), pattern="*")),
        ("~/x*", Located(path=Path.home(), pattern="x*")),
        ("file:///data/x.csv", Located(path=Path("/data/x.csv"))),
        ("s3://bucket/a/b", S3Objects(uri="s3://bucket/a/b")),
        ({"s3": "s3://bucket", "max_bytes": "1k"}, S3Objects(uri="s3://bucket", max_bytes=1024)),
        ({"manifest": "m.json"}, Located(path=Path("m.json"), is_manifest=True)),
    ],
)
def test_what_is_meant(written, meant):
    """Text is a step's output, a path, a pattern or S3; a mapping says more."""
    assert source(written) == meant


def test_what_a_caller_gives():
    """From outside `a:b` is a path, and a Path may hold a pattern."""
    assert given("a:b") == Located(path=Path("a:b"))
    assert given(Path("a/*.csv")) == Located(path=Path("a"), pattern="*.csv")


def test_settings_over_settings():
    """What an input says of S3 stands, and the document's word fills in the rest."""
    document = S3Settings(profile="all", max_objects=5, anonymous=True, prefix="s3://bucket/x")
    mine = S3Objects(uri="s3://bucket", profile="mine", anonymous=False).over(document)
    assert (mine.profile, mine.max_objects, mine.anonymous) == ("mine", 5, False)
    assert str(mine) == "s3://bucket (at most 5 objects)"
    assert (mine.bucket, mine.key) == ("bucket", "")
