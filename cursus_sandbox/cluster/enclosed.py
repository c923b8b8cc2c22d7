"""What goes with a message, or through the store where it would make the message large: the scheduler carries those."""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

from cursus_sandbox.cluster.store import Store
from cursus_sandbox.runs.contents import Content

Value = TypeVar("Value")
_LARGE = 100_000  # bytes


@dataclass(frozen=True, slots=True)
class Enclosed(Generic[Value]):
    """A value, `written` down or by what that is in the store; whoever names it by its hash vouches for it."""

    written: bytes | Content


def enclosed(value: Value, store: Store) -> Enclosed[Value]:
    """Enclose a value."""
    written = pickle.dumps(value)
    if len(written) <= _LARGE:
        return Enclosed(written)
    content = Content(len(written), hashlib.sha256(written).hexdigest())
    with tempfile.NamedTemporaryFile(prefix="cursus-sandbox-") as file:
        file.write(written)
        file.flush()
        store.put(Path(file.name), content)
    return Enclosed(content)


def opened(one: Enclosed[Value], store: Store) -> Value:
    """The value."""
    if isinstance(one.written, bytes):
        return cast("Value", pickle.loads(one.written))
    with tempfile.TemporaryDirectory(prefix="cursus-sandbox-") as folder:
        store.fetch(one.written, file := Path(folder) / "enclosed")
        return cast("Value", pickle.loads(file.read_bytes()))
