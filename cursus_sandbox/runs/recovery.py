"""What is done about runs that were killed: what they left half-done goes, what their steps had finished stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cursus_sandbox.errors import WorkspaceError
from cursus_sandbox.runs.pruning import own_size
from cursus_sandbox.runs.shells import dead_shells
from cursus_sandbox.runs.workspace import Workspace
from cursus_sandbox.untrusted import remove

_LEAVES_NOTHING = "local"  # the kernel ends its sandboxes with the process that made them


class Reaper(Protocol):
    """What removes all that an engine has left."""

    name: str

    def reap(self, labels: Mapping[str, str], *, below: Path) -> None:
        """Remove it, as an engine does."""


def recovery(workspace: Workspace, engines: Iterable[Reaper]) -> tuple[str, ...]:
    """Remove what dead runs left, of a workspace that is held; gives what to say of each. Raises EngineError.

    That they are dead is proved by the lock: it is the kernel's, and ours. A run of an engine that is not among
    `engines` waits for one that is.
    """
    by_name = {engine.name: engine for engine in engines}
    said = []
    for run, name in workspace.unfinished().items():
        folder = workspace.run(run)
        folder.without_hidden()
        engine = by_name.get(name)
        if engine is None and name != _LEAVES_NOTHING:
            hint = f"with --engine {name} the next run removes that, as does  cursus-sandbox clean"
            said.append(f"run {run} was killed, and what it left on the {name} engine is still there: {hint}")
            continue
        if engine is not None:
            engine.reap(folder.labels, below=folder.path)
        left = folder.without_attempts()
        with suppress(WorkspaceError):  # of a full disk: about how large it is may be off
            workspace.grown(own_size(folder.path))
        workspace.finished(run)
        stays = f"; {left[0]} is not yours to delete" if left else ""
        how = "could not go on" if folder.has_result else "was killed"
        said.append(f"run {run} {how}: what it had not finished was removed{stays}")
    with dead_shells(workspace.folder) as shells:
        for shell in shells:
            shell.without_hidden()
            if (engine := by_name.get(shell.engine)) is not None:
                engine.reap(shell.labels, below=shell.path)
            if engine is not None or shell.engine == _LEAVES_NOTHING:
                with suppress(OSError):  # it holds what is another user's
                    remove(shell.path)
                said.append("a shell in the sandbox of a step was killed: what it left was removed")
    return tuple(said)


def engines_of_the_dead(workspace: Workspace) -> set[str]:
    """The names of the engines that killed runs and shells were on."""
    with dead_shells(workspace.folder) as shells:
        return {*workspace.unfinished().values(), *(shell.engine for shell in shells)}
