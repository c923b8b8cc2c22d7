"""The help of every verb has an example, fits 80 columns, and cuts no sentence."""

import pytest
import typer

from cursus_sandbox.cli.grouped import GROUPS, VERBS
from cursus_sandbox.cli.main import app

TOP = typer.main.get_command(app)


def verbs(command, words=()):
    """Each verb, groups of verbs too, by its words."""
    yield words, command
    for name, one in getattr(command, "commands", {}).items():
        yield from verbs(one, (*words, name))


EVERY = dict(verbs(TOP))


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help(words, capsys, monkeypatch):
    """It fits, no summary of a verb is cut, and a verb shows how it is typed."""
    monkeypatch.setenv("COLUMNS", "80")
    app(args=[*words, "--help"], prog_name="cursus-sandbox", standalone_mode=False)
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert [line for line in shown.splitlines() if line.endswith("...") and not line.startswith("Usage: ")] == []
    assert "Example" in shown or (words and hasattr(EVERY[words], "commands"))


def test_every_verb_has_a_group():
    """A new verb, and a new option of a verb with many, is put under a heading."""
    assert sorted(TOP.commands) == sorted(name for names in VERBS.values() for name in names if name in TOP.commands)
    grouped = {name for names in GROUPS.values() for name in names}
    for verb in ("run", "plan", "check"):
        options = {one.name for one in TOP.commands[verb].params if one.param_type_name == "option"}
        assert options - grouped == set()
