"""The commands of `cursus-sandbox`, and the exit code that each process ends with."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from copy import copy
from typing import Annotated

import typer

from cursus_sandbox import __version__
from cursus_sandbox.cli import completion, misuse, process
from cursus_sandbox.cli.clean import CLEAN_EXAMPLE, clean
from cursus_sandbox.cli.contracts import contracts_app, schema_json
from cursus_sandbox.cli.diff import DIFF_EXAMPLE, diff
from cursus_sandbox.cli.doctor import DOCTOR_EXAMPLES, doctor
from cursus_sandbox.cli.explain import EXPLAIN_EXAMPLE, explain
from cursus_sandbox.cli.grouped import GroupedCommand, GroupedVerbs
from cursus_sandbox.cli.init import INIT_EXAMPLES, init
from cursus_sandbox.cli.interruption import say_error
from cursus_sandbox.cli.plan import CHECK_EXAMPLE, PLAN_EXAMPLE, check, plan
from cursus_sandbox.cli.register import REGISTER_EXAMPLE, register
from cursus_sandbox.cli.rerun import RERUN_EXAMPLE, rerun
from cursus_sandbox.cli.run import RUN_EXAMPLES, run
from cursus_sandbox.cli.runs import LOGS_EXAMPLE, REPORT_EXAMPLE, logs, report, runs_app
from cursus_sandbox.cli.schema import schema_app
from cursus_sandbox.cli.shell import SHELL_EXAMPLE, shell
from cursus_sandbox.errors import ExitCode, SandboxError

PROGRAM = "cursus-sandbox"
_OF_THE_MACHINE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.ENAMETOOLONG, errno.ELOOP),
)
SCHEMA_EXAMPLE = """\b
Example:
  cursus-sandbox schema-json dag > dag.schema.json
"""

FIRST_EXAMPLES = """\b
Examples:
  cursus-sandbox init first               a project that runs at once
  cursus-sandbox run first/dag.yaml
  cursus-sandbox run --help               each command has its own help
"""

app = typer.Typer(
    name=PROGRAM,
    cls=GroupedVerbs,
    epilog=FIRST_EXAMPLES,
    help="Run a Cursus / SageMaker pipeline on this machine: every step in a SageMaker-like sandbox, its data checked.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cursus-sandbox {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours, as NO_COLOR in the environment.")] = False,
) -> None:
    pass


app.command("init", short_help="Begin a project: from an example, a graph, or scripts.", epilog=INIT_EXAMPLES)(init)
app.command("run", cls=GroupedCommand, epilog=RUN_EXAMPLES)(run)
app.command("plan", cls=GroupedCommand, epilog=PLAN_EXAMPLE)(plan)
app.command("check", cls=GroupedCommand, epilog=CHECK_EXAMPLE)(check)
app.command("report", short_help="Write a run as an HTML page, or for CI.", epilog=REPORT_EXAMPLE)(report)
app.command("logs", short_help="Print the log of a step.", epilog=LOGS_EXAMPLE)(logs)
app.command("diff", short_help="Show what differs between two runs.", epilog=DIFF_EXAMPLE)(diff)
app.command("explain", short_help="Explain how a step ended, and what to do.", epilog=EXPLAIN_EXAMPLE)(explain)
app.command("rerun", cls=GroupedCommand, short_help="Run an earlier run once more.", epilog=RERUN_EXAMPLE)(rerun)
app.command("shell", short_help="Open a shell in the sandbox of a failed step.", epilog=SHELL_EXAMPLE)(shell)
app.command("clean", short_help="Remove earlier runs, and what killed runs left.", epilog=CLEAN_EXAMPLE)(clean)
app.command("register", short_help="Print where each output of an execution is.", epilog=REGISTER_EXAMPLE)(register)
app.command("doctor", short_help="Look at this machine: engines, disks, images.", epilog=DOCTOR_EXAMPLES)(doctor)
app.add_typer(runs_app, name="runs")
app.add_typer(contracts_app, name="contracts")
app.add_typer(schema_app, name="schema")
app.command("schema-json", epilog=SCHEMA_EXAMPLE)(schema_json)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with a documented exit code; no traceback unless `--debug`."""
    if arguments is None:
        process.start_again_in_utf8()
    given = sys.argv[1:] if arguments is None else arguments
    ours = given[: given.index("--")] if "--" in given else given  # what follows is another program's
    words = [word for word in ours if word not in ("--debug", "--no-color")] + given[len(ours) :]  # wherever they stand
    debug = "--debug" in ours
    if "--no-color" in ours:
        os.environ["NO_COLOR"] = "1"
    process.prepare(debug=debug)
    if completion.is_asked_for():
        sys.exit(completion.answer(lambda: app(args=words, prog_name=PROGRAM)))
    code = _ended(words, debug=debug)
    if debug or arguments is not None:  # who looks into the process, or called us in theirs, has more to do
        sys.exit(code)
    process.leave(code)


def _called(words: list[str]) -> int:
    """The exit code of a command, after the last of what it prints has gone out."""
    misuse.refuse_empty(words[: words.index("--")] if "--" in words else words)
    code = _narrowed(words)(args=words, prog_name=PROGRAM, standalone_mode=False) or ExitCode.OK
    with suppress(BrokenPipeError):  # who reads no further wants no more
        sys.stdout.flush()
    return code


def _narrowed(words: list[str]) -> typer.Typer:
    """The app with nothing but the verb that is called, if one is: Typer makes the options of every verb it has."""
    one = copy(app)
    one.registered_commands = [verb for verb in app.registered_commands if [verb.name] == words[:1]]
    one.registered_groups = [verb for verb in app.registered_groups if [verb.name] == words[:1]]
    return one if one.registered_commands or one.registered_groups or words == ["--version"] else app


def _ended(words: list[str], *, debug: bool) -> int:
    """The exit code of a command, after what went wrong was said."""
    try:
        return _called(words)
    except misuse.Misuse as error:
        misuse.say(error)
        return ExitCode.DOCUMENTS
    except SandboxError as error:
        if debug:
            raise
        say_error(error)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        if isinstance(error, FileNotFoundError) and not process.is_somewhere():
            say_error("the folder that this was started in is gone\nGo to one that is there:  cd DIR")
            return ExitCode.MACHINE
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            where = f"{error.filename} can't be used" if error.filename else "what was to be said can't be written"
            say_error(f"{where}: {error.strerror}")
            return ExitCode.MACHINE
        say_error(
            f"this is a bug in cursus-sandbox: {type(error).__name__}: {error}\nRepeat it with --debug and report it."
        )
        return ExitCode.BUG
