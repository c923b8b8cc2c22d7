"""The code that travels: pickled as it is, so that a worker without this package, or with another, can say so.

That is why it stands in functions of functions, which are pickled with their bodies, and imports what it needs itself.
The scheduler, which looks at all that passes through it, needs none of ours for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable


def summons() -> Callable[[str, str, bytes], bytes]:
    """What calls one of a worker's answers, as a task: our version, the answer's name, and what it is asked."""

    def called(version: str, name: str, asked: bytes) -> bytes:
        from importlib import import_module

        there = import_module("cursus_sandbox").__version__
        if there != version:
            raise ImportError(f"it has cursus-sandbox {there}, and this is {version}")
        answer: Callable[[bytes], bytes] = import_module("cursus_sandbox.cluster.worker").ANSWERS[name]
        return answer(asked)

    return called


def summons_at_once() -> Callable[[str, str, bytes], Awaitable[bytes]]:
    """The same beside all tasks; the worker goes on listening meanwhile."""
    called = summons()

    async def called_at_once(version: str, name: str, asked: bytes) -> bytes:
        from asyncio import to_thread

        return await to_thread(called, version, name, asked)

    return called_at_once
