"""Calls a script's `main` as a file of JSON says. Run as a file, in a fresh interpreter, with nothing of ours imported.

On a terminal it stops at the first line of `main`, and where an exception came from: a job has one for a debugger only.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NoReturn

SIGNATURE = "main(input_paths, output_paths, environ_vars, job_args)"
OTHERWISE = "The engines local and docker run it as SageMaker does."


class InputPaths(dict[str, str]):
    """Each channel's path. One that nothing is bound to is not in it, and looked up it is a path where nothing lies.

    Cursus' `__main__` names a path for every channel, and some mains look them all up.
    """

    def __init__(self, paths: dict[str, str], *, absent: Path) -> None:
        super().__init__(paths)
        self.absent = absent

    def __missing__(self, channel: str) -> str:
        return str(self.absent / channel)

    def __reduce__(self) -> tuple[type[dict[str, str]], tuple[dict[str, str]]]:
        return dict, (dict(self),)  # in another process it is what it is said to be


def call(file: Path) -> None:
    """Import the script and call its main; the process ends with 1, and a last line that says why, if it can't."""
    said = json.loads(file.read_text(encoding="utf-8"))
    if not said["script"]:
        _give_up(f"the step has no script on this machine to call {SIGNATURE} of.")
    script = Path(said["script"])
    sys.argv = [str(script)]
    sys.path[0] = str(script.parent)
    main = _main(_imported(script), script)
    arguments = (
        InputPaths(said["input_paths"], absent=Path(said["absent"])),
        said["output_paths"],
        said["environ_vars"] | {name: os.environ[name] for name in said["secrets"]},
        argparse.Namespace(**said["job_args"]),
    )
    try:
        inspect.signature(main).bind(*arguments)
    except TypeError as error:
        _give_up(f"{script.name}'s main can't be called as {SIGNATURE}: {error}. {OTHERWISE}")
    try:
        if sys.stdin and sys.stdin.isatty():
            _step_through(main, arguments)
        else:
            main(*arguments)
    except Exception as error:  # noqa: BLE001 -- any
        _show(error)
        if sys.stdin and sys.stdin.isatty():
            _look_into(error)
        sys.exit(1)


def _imported(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    if spec is None or spec.loader is None:
        _give_up(f"{script.name} is no Python script with a {SIGNATURE}. {OTHERWISE}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[script.stem] = module  # where pickle and dataclasses look for it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 -- any
        _show(error)
        _give_up(f"{script.name} could not be imported: {type(error).__name__}: {error}")
    return module


def _main(module: ModuleType, script: Path) -> Any:
    main = getattr(module, "main", None)
    if not callable(main):
        _give_up(f"{script.name} has no {SIGNATURE}. {OTHERWISE}")
    return main


def _step_through(main: Any, arguments: tuple[Any, ...]) -> None:
    from pdb import Pdb  # noqa: PLC0415 -- only where it is wanted

    class Debugger(Pdb):
        left = False

        def set_quit(self) -> None:
            self.left = True
            super().set_quit()

    debugger = Debugger()
    debugger.runcall(main, *arguments)
    if debugger.left:
        _give_up("the debugger was left before main had ended.")


def _look_into(error: Exception) -> None:
    import pdb  # noqa: PLC0415, T100 -- only where it is wanted

    if frames := _of_the_script(error):
        pdb.post_mortem(frames)


def _show(error: Exception) -> None:
    sys.stdout.flush()
    traceback.print_exception(type(error), error, _of_the_script(error))


def _of_the_script(error: Exception) -> TracebackType | None:
    """The traceback from the script's first frame on; None when it has no frame in it."""
    frames = error.__traceback__
    passed = (__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")
    while frames and (frames.tb_frame.f_code.co_filename in passed or _is_debugger(frames)):
        frames = frames.tb_next
    return frames


def _is_debugger(frames: TracebackType) -> bool:
    return frames.tb_frame.f_globals.get("__name__") == "bdb"


def _give_up(why: str) -> NoReturn:
    sys.stdout.flush()
    sys.exit(f"cursus-sandbox: {why}")


if __name__ == "__main__":
    call(Path(sys.argv[1]))
