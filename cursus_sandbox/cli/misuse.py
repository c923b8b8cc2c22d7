"""A command line that is wrong: what about it, what was probably meant, and where help is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import typer

from cursus_sandbox.cli.interruption import say_error
from cursus_sandbox.errors import did_you_mean

Misuse: type[Any] = typer.BadParameter.__bases__[0]  # of typer, or of the click it was built upon: as its version is

_CHOICE = re.compile(r"^(?:Value error, )?'(?P<given>.*)' is not one of (?P<there>'.*')\.$", re.DOTALL)
_COMMAND = re.compile(r"^No such command '(?P<given>.*?)'\.")


def say(error: Any) -> None:
    """Say what is wrong with a command line; where nothing was asked of it, its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        say_error(words(error))


def refuse_empty(typed: Sequence[str]) -> None:
    """BadParameter for a word of nothing, which would be the current folder to one option and no image to another."""
    for before, word in pairwise(("", *typed)):
        name, _, value = word.partition("=") if word.startswith("--") and "=" in word else (before, "", word)
        if not value:
            what = "it is empty: is a variable not set?"
            raise typer.BadParameter(what, param_hint=name if name.startswith("-") else "an argument")


def words(error: Any) -> str:
    """What is wrong with a command line, in words."""
    said: str = error.format_message().replace(": Value error, ", ": ").replace("\n\t", " ")
    context = error.ctx
    if context is None:
        return said
    if unknown := getattr(error, "option_name", None) if hasattr(error, "possibilities") else None:
        options = [name for param in context.command.get_params(context) for name in param.opts]
        said = _with(error.message, did_you_mean(unknown, options))
    elif found := _COMMAND.match(error.message):
        said = _with(found[0], did_you_mean(found["given"], context.command.commands))
    elif found := _CHOICE.match(error.message):
        said = _with(said, did_you_mean(found["given"], re.findall(r"'([^']*)'", found["there"]), or_list=False))
    return f"{said}\n  Help: {context.command_path} --help"


def _with(said: str, near: str) -> str:
    return f"{said.rstrip('.')}. {near}" if near else said
