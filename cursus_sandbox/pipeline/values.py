"""The small value types that documents are made of: names, text, paths in a container, sizes and durations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, WithJsonSchema

_STEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_STEP_NAME_LENGTH = 128
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ENVIRONMENT_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_USER = re.compile(r"[0-9]{1,10}(:[0-9]{1,10})?")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|m|h|d)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_MOST_BYTES = 2**63
_LONGEST = 366 * 86400
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Written:
    """A number that remembers how it was written, so that `1.10` is not taken for the text `1.1`."""

    text: str


class WrittenInt(int, Written):
    """An integer of a document."""

    @classmethod
    def read(cls, written: str) -> Self:
        """The number that is written; ValueError if Python won't read that many digits."""
        value = cls(written)
        value.text = written
        return value


class WrittenFloat(float, Written):
    """A fraction of a document."""

    @classmethod
    def read(cls, written: str, name: str = "") -> Self:
        """The number that is written; `name` is what Python calls it, where that differs."""
        value = cls(name or written)
        value.text = written
        return value


def text(value: Any) -> str:
    """Text where text is meant: a number counts as what was written, a boolean or null does not."""
    match value:
        case str():
            if "\0" in value:
                raise ValueError("text may not hold a NUL character")
            if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
                raise ValueError("text may not hold half a character (a surrogate without its partner)")
            return value
        case bool():
            raise ValueError(f"text is meant here, and this is read as {str(value).lower()}; put it in quotes")
        case Written():
            if str(value) != value.text:
                raise ValueError(f"text is meant here, and {value.text} is read as {value}; put it in quotes")
            return value.text
        case int() | float():
            return str(value)
        case None:
            raise ValueError('text is meant here, and nothing is written; write "" for empty text')
        case _:
            raise ValueError(f"text is meant here, not a {'mapping' if isinstance(value, dict) else 'list'}")


def count(value: Any) -> int:
    """How many, at least one."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"a whole number of at least 1 is meant here, not {_short(value)}")
    return value


def several(given: Any) -> tuple[Any, ...]:
    """The values that are given; a text, a path or a contract by itself is one, though one could iterate over it."""
    if given is None:
        return ()
    alone = isinstance(given, str | BaseModel) or not isinstance(given, Iterable)
    return (given,) if alone else tuple(given)


def _step_name(name: str) -> str:
    if len(name) > _STEP_NAME_LENGTH:
        raise ValueError(f"a step name has at most {_STEP_NAME_LENGTH} characters, this one has {len(name)}")
    if not _STEP_NAME.fullmatch(name) or ".." in name:
        raise ValueError(
            f"{name!r} can't be a step name: letters, digits, '_', '-' and single '.', the first a letter or digit"
        )
    return name


def _channel_name(name: str) -> str:
    """A channel's name is a folder's too."""
    if len(name) > _STEP_NAME_LENGTH:
        raise ValueError(f"a channel's name has at most {_STEP_NAME_LENGTH} characters, this one has {len(name)}")
    if not _CHANNEL_NAME.fullmatch(name) or ".." in name:
        raise ValueError(
            f"{name!r} can't be a channel's name: letters, digits, '_', '-' and single '.', the first none of '-', '.'"
        )
    return name


def _entry_point(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError(f"an entry point is a file name relative to its source folder, not {name!r}")
    return name


def _container_path(path: str) -> PurePosixPath:
    pure = PurePosixPath(path)
    if not pure.is_absolute():
        raise ValueError(f"a container path starts with /opt/ml/, this one is relative: {path}")
    if ".." in pure.parts:
        raise ValueError(f"a container path has no '..': {path}")
    if pure.parts[:3] != ("/", "opt", "ml") or len(pure.parts) < 4:  # noqa: PLR2004 -- /opt/ml itself is SageMaker's
        raise ValueError(f"a container path lies below /opt/ml/, this one does not: {path}")
    return pure


def _environment_name(name: str) -> str:
    # CreateProcessingJob, Environment: keys match [a-zA-Z_][a-zA-Z0-9_]*
    if not _ENVIRONMENT_NAME.fullmatch(name):
        raise ValueError(f"{name!r} can't name an environment variable: letters, digits and '_', no digit first")
    return name


def user(value: Any) -> str:
    """Who a step runs as: a number, or two with the group's; `root`, which is 0:0; `image`, who the image says."""
    written = text(value)
    if written == "root":
        return "0:0"
    if written != "image" and not _USER.fullmatch(written):
        raise ValueError(f"{written!r} is no user: root, image, UID or UID:GID are meant here")
    return written


def host_path(value: Any) -> Path:
    """A path of this machine; `~` is a home folder."""
    written = value if isinstance(value, Path) else Path(text(value)) if value != "" else None
    if written is None:
        raise ValueError("a path is meant here, and the text is empty; write . for the folder itself")
    if isinstance(value, str) and "://" in value:
        raise ValueError(f"a path of this machine is meant here, not {value}")
    try:
        return written.expanduser()
    except RuntimeError as error:  # ~someone who has no home here
        raise ValueError(f"{written}: there is no such home folder") from error


def size(value: Any) -> int:
    """Bytes from `2g`, `512m`, `1.5GiB` or a plain number of bytes; units are powers of 1024, as Docker reads them."""
    found = _SIZE.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    number = float(found[1]) * 1024 ** _POWERS[found[2].lower()] if found else 0
    if not 1 <= number < _MOST_BYTES:
        raise ValueError(f"a size looks like 512m or 2g, not {_short(value)}")
    return int(number)


def duration(value: Any) -> float:
    """Seconds from `90`, `90s`, `15m`, `2h` or `1d`; at most a year."""
    found = _DURATION.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    seconds = float(found[1]) * _SECONDS[(found[2] or "s").lower()] if found else 0
    if not 0 < seconds <= _LONGEST:
        raise ValueError(f"a duration looks like 90, 15m or 2h, is more than 0 and at most a year, not {_short(value)}")
    return seconds


def _short(value: Any) -> str:
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"  # noqa: PLR2004


# What an editor is told of each is what may be written, not what becomes of it.
Text = Annotated[str, BeforeValidator(text), WithJsonSchema({"type": ["string", "number"]})]
EntryPoint = Annotated[Text, AfterValidator(_entry_point)]
HostPath = Annotated[Path, BeforeValidator(host_path), WithJsonSchema({"type": "string"})]
StepName = Annotated[Text, AfterValidator(_step_name)]
ChannelName = Annotated[Text, AfterValidator(_channel_name)]
EnvironmentName = Annotated[Text, AfterValidator(_environment_name)]
ContainerPath = Annotated[
    PurePosixPath,
    BeforeValidator(lambda value: _container_path(text(value))),
    WithJsonSchema({"type": "string", "pattern": "^/opt/ml/."}),
]
Size = Annotated[int, BeforeValidator(size), WithJsonSchema({"type": ["string", "integer"], "examples": ["2g"]})]
User = Annotated[str, BeforeValidator(user), WithJsonSchema({"type": ["string", "integer"], "examples": ["image"]})]
Duration = Annotated[
    float, BeforeValidator(duration), WithJsonSchema({"type": ["string", "number"], "examples": ["15m"]})
]
