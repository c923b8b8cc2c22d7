"""Secrets taken out of what a step says: of a text, and of a stream that comes in pieces."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

MASK = b"***"
SHORTEST = 4  # characters: what is shorter is in every text, and masking it would say so
_Value = TypeVar("_Value")


class Mask:
    """Puts `***` in the place of secrets, and of what JSON, a URL and base64 make of them; of lines, each by itself."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        forms = {form for one in secrets for form in _forms(one) if len(form) >= SHORTEST}
        self._forms = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(form) for form in self._forms)) if forms else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(MASK, text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def value(self, value: _Value) -> _Value:
        """A value that is to be shown or kept, with all text in it masked: of models, lists and mappings too."""
        masked: Any = value
        match value:
            case Enum() | PurePath():
                pass
            case str():
                masked = self.text(value)
            case BaseModel():
                fields = {name: self.value(getattr(value, name)) for name in type(value).model_fields}
                masked = value.model_copy(update=fields)
            case tuple() | list():
                masked = type(value)(self.value(one) for one in value)
            case dict():
                masked = {self.value(key): self.value(one) for key, one in value.items()}
        return masked if self else value

    def stream(self, write: Callable[[bytes], None]) -> MaskedStream:
        """What masks pieces on their way to `write`."""
        return MaskedStream(self._forms, self._pattern, write)


class MaskedStream:
    """A stream whose secrets are masked though they come in pieces.

    Only the end of what came is held back, and only while it may be the beginning of a secret: `end` lets it go.
    """

    def __init__(self, forms: list[bytes], pattern: re.Pattern[bytes] | None, write: Callable[[bytes], None]) -> None:
        self._forms, self._pattern, self._write = forms, pattern, write
        self._longest = max(map(len, forms), default=0)
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        if self._pattern is None:
            self._write(data)
            return
        data, done, out = self._held + data, 0, list[bytes]()
        begins = self._beginnings(data)
        while True:
            found = self._pattern.search(data, done)
            hold = next((at for at in begins if at >= done), len(data))
            if found is None or found.start() >= hold:
                break
            out += [data[done : found.start()], MASK]
            done = found.end()
        out.append(data[done:hold])
        self._held = data[hold:]
        if said := b"".join(out):
            self._write(said)

    def end(self) -> None:
        """Write what was held back."""
        if self._held and self._pattern is not None:
            self._write(self._pattern.sub(MASK, self._held))
        self._held = b""

    def _beginnings(self, data: bytes) -> list[int]:
        """Where the data end in the beginning of a secret, but not in all of it."""
        first = max(0, len(data) - self._longest + 1)
        heads = {form[0] for form in self._forms}
        return [
            at
            for at in range(first, len(data))
            if data[at] in heads
            and any(len(form) > len(data) - at and form.startswith(data[at:]) for form in self._forms)
        ]


def _forms(secret: bytes) -> set[bytes]:
    """A secret as it may be written; of one with several lines, each line counts."""
    forms = {secret, secret.strip(), *_in_base64(secret), *_in_base64(secret.strip())}
    forms |= {line.strip() for line in secret.splitlines()}
    text = secret.decode("utf-8", "replace").strip()
    forms |= {json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode()}
    forms |= {quote(text).encode(), quote(text, safe="").encode()}
    return {form for form in forms if form}


def _in_base64(secret: bytes) -> set[bytes]:
    """What base64 makes of a secret, alone, or somewhere in other bytes: the digits that say nothing of these.

    A digit is six bits. The secret may begin at any of the three bytes of four digits: `user:` before it moves it.
    """
    forms = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.add(encode(secret))
        for before in range(3):
            digits = encode(bytes(before) + secret)
            forms.add(digits[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6])
    return forms
