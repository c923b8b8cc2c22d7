"""Where an input comes from: another step, files and folders of this machine, S3, or nowhere, made up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from cursus_sandbox.pipeline.values import Size, Text, host_path, text

_REFERENCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*):([A-Za-z0-9_.-]+)")
_BUCKET = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}"
)  # longer than 63, in capitals or with _ are old ones of us-east-1
_WILD = re.compile(r"[*?\[]")
_ADDRESS = re.compile(r"https?://[^/@]+/?")
_S3 = "s3://"
_FILE = "file://"


class _Ours(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """An input that comes from another step: `step:channel`."""

    step: str
    channel: str

    def __str__(self) -> str:
        return f"{self.step}:{self.channel}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """An input or output that is a file or folder of this machine.

    Of an input, it may be all that a `pattern` below the folder matches; or the file is a manifest, and what is read
    is what it lists (S3DataType ManifestFile).
    """

    path: Path
    pattern: str | None = None
    is_manifest: bool = False

    def __str__(self) -> str:
        if self.is_manifest:
            return f"what {self.path} lists"
        return str(self.path / self.pattern if self.pattern else self.path)


class Synthetic(_Ours):
    """An input that is made up from the schema of its channel: the same data for the same seed.

    With `nasty` the first rows hold every edge a type has.
    """

    rows: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1000
    seed: Annotated[int, Field(ge=0)] = 0
    nasty: bool = False

    def __str__(self) -> str:
        return f"synthetic, {self.rows:,} rows, seed {self.seed}{', nasty' if self.nasty else ''}"


def s3_uri(uri: str) -> str:
    """An address in S3, as it is given; ValueError for what is none."""
    bucket, _, key = uri.removeprefix(_S3).partition("/")
    if not uri.startswith(_S3) or not bucket:
        raise ValueError(f"{uri!r} is not of the form s3://bucket/prefix")
    if not _BUCKET.fullmatch(bucket):
        rule = "3 to 255 letters, digits, '.', '_' and '-', the first a letter or digit"
        raise ValueError(f"{uri}: {bucket!r} can't be a bucket's name: {rule}")
    parts = key.removesuffix("/").split("/")
    if key and ("" in parts or {".", ".."} & set(parts)):
        raise ValueError(f"{uri}: a key with an empty part, '.' or '..' can't become a file's name")
    return uri


S3Uri = Annotated[Text, AfterValidator(s3_uri), WithJsonSchema({"type": "string", "pattern": "^s3://"})]


def _address(written: str) -> str:
    if not _ADDRESS.fullmatch(written):
        raise ValueError(f"the address of a server looks like http://localhost:8333, not {written!r}")
    return written


Address = Annotated[Text, AfterValidator(_address), WithJsonSchema({"type": "string", "pattern": "^https?://"})]


class S3Access(_Ours):
    """How S3 is reached, and how much of it is taken at most. What is not said is as AWS's own tools have it.

    `endpoint_url` is another server that speaks S3; `profile` a section of `~/.aws`; `anonymous` sends no credentials.
    Of many objects, the first `max_objects` by name are taken, and of those as many as `max_bytes` has room for.
    """

    endpoint_url: Address | None = None
    region: Text | None = None
    profile: Text | None = None
    anonymous: bool | None = None
    max_objects: Annotated[int, Field(ge=1)] | None = None
    max_bytes: Size | None = None

    def over(self, beneath: S3Access) -> Self:
        """The same, and what it leaves open as it is said beneath."""
        said = {name: getattr(beneath, name) for name in type(self).model_fields.keys() & type(beneath).model_fields}
        return self.model_copy(update={name: value for name, value in said.items() if getattr(self, name) is None})


class S3Settings(S3Access):
    """What a document says of S3. `prefix` is where inputs are that nothing feeds, each below `<step>/<channel>`."""

    prefix: S3Uri | None = None


class S3Objects(S3Access):
    """An input that is an object, or all objects below a prefix or of a pattern, of S3 (S3DataType S3Prefix)."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", populate_by_name=True)

    uri: S3Uri = Field(alias="s3")

    def __str__(self) -> str:
        limits = [
            *([f"at most {self.max_objects:,} objects"] if self.max_objects else []),
            *([f"at most {self.max_bytes:,} bytes"] if self.max_bytes else []),
        ]
        return f"{self.uri} ({', '.join(limits)})" if limits else self.uri

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.uri.removeprefix(_S3).partition("/")[0]

    @property
    def key(self) -> str:
        """What follows the bucket: a key, a prefix of keys, or a pattern of them; empty for the whole bucket."""
        return self.uri.removeprefix(_S3).partition("/")[2]


Unfed = Synthetic | S3Settings  # what feeds the inputs that nothing feeds
Source = StepOutput | Located | Synthetic | S3Objects


def source(value: Any) -> Any:
    """`step:channel` is another step's output, anything else is as `given` has it.

    `{synthetic: {rows: 1000}}` is made up, `{manifest: ./files.json}` what a file lists, `{s3: URI, max_objects: 10}`
    a part of what S3 has. A path with a colon is written `./a:b`.
    """
    match value:
        case StepOutput() | Located() | Synthetic() | S3Objects():
            return value
        case {"synthetic": made, **rest} if not rest:
            return Synthetic.model_validate(made or {})
        case {"manifest": manifest, **rest} if not rest:
            return Located(path=host_path(manifest), is_manifest=True)
        case {"s3": _}:
            return S3Objects.model_validate(value)
        case dict() | list():
            raise ValueError(
                "an input is STEP:CHANNEL, a path or s3://BUCKET/PREFIX, as text, or {synthetic: {rows: 1000}}, or "
                "{manifest: FILE}, or {s3: s3://BUCKET/PREFIX, max_objects: 10}"
            )
    written = text(value)
    if "://" not in written and (found := _REFERENCE.fullmatch(written)):
        return StepOutput(step=found[1], channel=found[2])
    return given(written)


def given(value: Any) -> Located | S3Objects:
    """A file, a folder, a pattern of them such as `data/2024-*.parquet`, `file:///…`, or `s3://bucket/prefix`."""
    if isinstance(value, Located | S3Objects):
        return value
    if isinstance(value, Path):
        return _located(value)
    written = text(value)
    if written.startswith(_S3):
        return S3Objects(uri=s3_uri(written))
    if written.startswith(f"{_FILE}/"):
        return Located(path=Path(unquote(written.removeprefix(_FILE))))
    if "://" in written:
        raise ValueError(f"{written}: only files and folders of this machine and s3:// can be bound")
    return _located(host_path(written))


def _located(path: Path) -> Located:
    """The path with its first part that holds a wildcard, and all behind it, as a pattern."""
    wild = next((number for number, part in enumerate(path.parts) if _WILD.search(part)), None)
    if wild is None:
        return Located(path=path)
    return Located(path=Path(*path.parts[:wild]), pattern="/".join(path.parts[wild:]))


def located(value: Any) -> Any:
    """A path of this machine, where no step can be meant."""
    return value if isinstance(value, Located) else Located(path=host_path(value))


_ACCESS: dict[str, Any] = {
    "endpoint_url": {"type": "string", "pattern": "^https?://"},
    "region": {"type": "string"},
    "profile": {"type": "string"},
    "anonymous": {"type": "boolean"},
    "max_objects": {"type": "integer", "minimum": 1},
    "max_bytes": {"type": ["string", "integer"], "examples": ["100m"]},
}


def _object(properties: dict[str, Any], required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [required], "additionalProperties": False}


_Made = {
    "type": ["object", "null"],
    "properties": {
        "rows": {"type": "integer", "minimum": 0},
        "seed": {"type": "integer", "minimum": 0},
        "nasty": {"type": "boolean"},
    },
    "additionalProperties": False,
}
# What an editor is told is what may be written, not what becomes of it.
InputSource = Annotated[
    Source,
    BeforeValidator(source),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                _object({"synthetic": _Made}, "synthetic"),
                _object({"manifest": {"type": "string"}}, "manifest"),
                _object({"s3": {"type": "string", "pattern": "^s3://"}, **_ACCESS}, "s3"),
            ]
        }
    ),
]
Folder = Annotated[Located, BeforeValidator(located), WithJsonSchema({"type": "string"})]
