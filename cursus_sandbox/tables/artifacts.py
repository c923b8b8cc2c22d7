"""Files that are no tables: JSON, JSON Lines, and tar archives by their members' names. Nothing is unpacked to disk."""

from __future__ import annotations

import gzip
import io
import json
import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

from cursus_sandbox.tables.json_rules import validator
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.schema import TableSchema
from cursus_sandbox.untrusted import opened, tar

_LARGEST = 256 << 20  # bytes of one JSON document
_MOST = 100_000  # members of an archive
_EMPTY_ARCHIVE = 10_240  # bytes that tar writes for no member at all
_FINDINGS = 5  # of one file
_SHOWN = 80
_JSON = (".json",)
_LINES = (".jsonl", ".ndjson")
_TARS = (".tar", ".tar.gz", ".tgz")


def is_artifact(name: str) -> bool:
    """Whether a file is looked into here, by its name."""
    return is_json(name) or is_archive(name)


def is_json(name: str) -> bool:
    """Whether a name is that of JSON or JSON Lines, gzipped or not."""
    return name.lower().removesuffix(".gz").endswith((*_JSON, *_LINES))


def is_archive(name: str) -> bool:
    """Whether a name is that of a tar archive, gzipped or not."""
    return name.lower().endswith(_TARS)


def artifact_findings(path: Path, file: str, schema: TableSchema | None) -> list[Mismatch]:
    """What is wrong with the file by itself, and against the schema."""
    if is_archive(path.name):
        return _archive(path, file)[0]
    found = list(islice(_json(path, file, schema), _FINDINGS + 1))
    if len(found) > _FINDINGS:
        said = f"more than {_FINDINGS} things are wrong with it; the first {_FINDINGS} are told"
        found[_FINDINGS:] = [_finding(Kind.NOT_CHECKED, Severity.WARNING, file, said)]
    if schema and schema.json_schema is not None:
        return found
    return [  # nobody said what it is for, and Python's own reader takes NaN
        one.model_copy(update={"severity": Severity.WARNING}) if one.kind is Kind.JSON else one for one in found
    ]


def members_of(path: Path) -> tuple[str, ...]:
    """The names of an archive's files; none where it can't be read."""
    return _archive(path, path.name)[1]


def missing_members(schema: TableSchema, names: set[str], *, file: str | None, asks: str) -> list[Mismatch]:
    """The patterns of `members` that nothing matches."""
    return [
        Mismatch(
            kind=Kind.MISSING_MEMBER,
            severity=Severity.ERROR,
            file=file,
            expected=pattern,
            found=", ".join(sorted(names)[:_FINDINGS]) or "nothing",
            message=f"there is no '{pattern}' in it; {asks} asks for one",
            hint="write it where the archive is packed from, under exactly this name",
        )
        for pattern in schema.members
        if not any(fnmatchcase(name, pattern) for name in names)
    ]


def _archive(path: Path, file: str) -> tuple[list[Mismatch], tuple[str, ...]]:
    names: list[str] = []
    found: list[Mismatch] = []
    try:
        with tar(path) as archive:
            if archive.next() is None and path.stat().st_size > _EMPTY_ARCHIVE:
                raise ValueError("it begins with zeros, which end an archive")
            for number, member in enumerate(archive):
                if number >= _MOST:
                    found.append(
                        _finding(
                            Kind.NOT_CHECKED, Severity.WARNING, file, f"only {_MOST:,} of its members were looked at"
                        )
                    )
                    break
                pure = PurePosixPath(member.name)
                if "\0" in member.name + member.linkname:
                    found.append(_no_file(member.name, file))
                elif pure.is_absolute() or ".." in pure.parts or _leads_outside(member):
                    found.append(_unsafe(member.name, file))
                elif member.isfile():
                    names.append(str(pure))
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        return [_unreadable(file, "tar archive", str(error) or type(error).__name__)], ()
    return found[:_FINDINGS], tuple(names)


def _leads_outside(member: tarfile.TarInfo) -> bool:
    """Whether a member is a link to what isn't in the archive."""
    if not (member.issym() or member.islnk()):
        return False
    start = posixpath.dirname(member.name) if member.issym() else ""  # a hard link's target is a member's name
    target = posixpath.normpath(posixpath.join(start, member.linkname))
    return target.startswith("/") or target.split("/")[0] == ".."


def _json(path: Path, file: str, schema: TableSchema | None) -> Iterator[Mismatch]:
    lines = path.name.lower().removesuffix(".gz").endswith(_LINES)
    rules = schema.json_schema if schema else None
    try:
        with opened(path) as raw:
            stream: IO[bytes] | gzip.GzipFile | io.BytesIO = (
                gzip.GzipFile(fileobj=raw) if path.name.lower().endswith(".gz") else raw
            )
            if stream.read(1) == b"\0":
                raise ValueError("it begins with a NUL byte: it is binary, or damaged")
            stream.seek(0)
            content = b""
            if not lines:
                content = stream.read(_LARGEST + 1)
                lines = _are_lines(content)
                stream = io.BytesIO(content)
            for number, document in _numbered(stream) if lines else [(0, content)]:
                yield from _document(document, number, file, rules)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        yield _unreadable(file, "JSON file", str(error))


def _are_lines(content: bytes) -> bool:
    """Whether each of the first two lines is a document by itself: what pandas writes with lines=True."""
    documents = content.split(b"\n", 2)[:2]
    try:
        return len(documents) > 1 and all(json.loads(one) is not None for one in documents if one.strip() or not one)
    except (ValueError, RecursionError):
        return False


def _numbered(stream: IO[bytes] | gzip.GzipFile | io.BytesIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(iter(lambda: stream.readline(_LARGEST + 1), b""), start=1):
        if line.strip():
            yield number, line


def _document(content: bytes, line: int, file: str, rules: Any) -> Iterator[Mismatch]:
    if len(content) > _LARGEST:
        yield _finding(Kind.NOT_CHECKED, Severity.WARNING, file, "it is too long to be looked into", line=line)
        return
    odd: list[str] = []
    try:
        value = json.loads(content, parse_constant=odd.append)
    except (ValueError, RecursionError) as error:
        at = getattr(error, "lineno", 1)
        why = getattr(error, "msg", None) or str(error)
        yield _unreadable(file, "JSON file", f"{why} in line {line or at}", line=line or at)
        return
    if odd:
        said = f"it holds {odd[0]}, which is no JSON" + (f" (line {line})" if line else "")
        yield _finding(
            Kind.JSON, Severity.ERROR, file, said, line=line, hint="write null: json.dump(..., allow_nan=False)"
        )
    if rules is not None:
        yield from _against(value, json.dumps(rules, sort_keys=True, default=str), line, file)


def _against(value: Any, rules: str, line: int, file: str) -> Iterator[Mismatch]:
    try:
        findings = validator(rules).iter_errors(value)
    except ImportError:
        hint = "pip install 'cursus-sandbox[json]'"
        yield _finding(Kind.NOT_CHECKED, Severity.ERROR, file, "jsonSchema needs the package jsonschema", hint=hint)
        return
    while True:
        try:
            error = next(findings, None)
        except Exception as odd:  # noqa: BLE001 -- of a library's own kinds: a reference that leads nowhere or in circles
            said = f"it can't be held to its jsonSchema: {type(odd).__name__} {odd}"[: 2 * _SHOWN]
            yield _finding(Kind.NOT_CHECKED, Severity.ERROR, file, said, line=line)
            return
        if error is None:
            return
        where = f" (line {line})" if line else ""
        text = error.message if len(error.message) <= 2 * _SHOWN else error.message[: 2 * _SHOWN] + "…"
        yield _finding(
            Kind.JSON,
            Severity.ERROR,
            file,
            f"{error.json_path}: {text}{where}",
            line=line,
            column=error.json_path,
            samples=(str(error.instance)[:_SHOWN],),
        )


def _unsafe(name: str, file: str) -> Mismatch:
    shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
    said = f"its member {shown!r} would be written outside of the folder it is unpacked in"
    return _finding(Kind.UNSAFE_MEMBER, Severity.ERROR, file, said, hint="pack relative names without '..'")


def _no_file(name: str, file: str) -> Mismatch:
    said = f"its member {name[:_SHOWN]!r} has a NUL in its name, or in that of what it links to: no file has"
    return _finding(Kind.UNSAFE_MEMBER, Severity.ERROR, file, said, hint="pack it anew, with tar or Python's tarfile")


def _unreadable(file: str, what: str, why: str, *, line: int | None = None) -> Mismatch:
    return _finding(Kind.UNREADABLE, Severity.ERROR, file, f"not a readable {what}: {why}", line=line)


def _finding(
    kind: Kind,
    severity: Severity,
    file: str,
    message: str,
    *,
    hint: str = "",
    line: int | None = None,
    column: str | None = None,
    samples: tuple[str, ...] = (),
) -> Mismatch:
    return Mismatch(
        kind=kind,
        severity=severity,
        file=file,
        message=message,
        hint=hint,
        line=line or None,
        column=column,
        samples=samples,
    )
