"""Options in groups: the help of a command that has many."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

GROUPS = {
    "What runs": ("failed", "only", "from_step", "until", "force", "no_cache", "registry"),
    "Where": ("engine", "scheduler", "image", "pull", "runtime", "jobs", "workspace", "store", "max_size"),
    "Contracts, scripts and configuration": ("contracts", "source_dir", "config", "lenient", "strict"),
    "Data": ("inputs", "data_source", "rows", "seed", "nasty", "s3", "secrets", "no_values", "update_schemas"),
    "What a step may do, if it doesn't say": (
        *("timeout", "grace", "memory", "network", "no_pip_shim", "user", "read_only_root", "log_limit"),
    ),
    "When a step fails": ("fail_fast", "shell_on_failure", "pdb"),
    "What is printed and written": (*("verbose", "quiet", "as_json", "events", "junit", "drawn", "explain_config"),),
}
VERBS = {
    "Begin": ("init", "doctor"),
    "Run": ("check", "plan", "run"),
    "Look at what came of it": ("runs", "logs", "report", "diff", "explain"),
    "Go on after a failure": ("shell", "rerun"),
    "Contracts and schemas": ("contracts", "schema", "schema-json"),
    "Keep in order": ("clean", "register"),
}
_COLUMN = 24  # what is longer has a line of its own, so that the words beside the others have room


class GroupedVerbs(TyperGroup):
    """The verbs of a command line under headings; those of no group come last."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 -- as it is overridden
        """Write each group of verbs, as wide as the widest of all."""
        heading = {name: title for title, names in VERBS.items() for name in names}
        names = {name: self.commands[name] for names in VERBS.values() for name in names if name in self.commands}
        every = {**names, **self.commands}
        width = max(map(len, every))
        rows: dict[str, list[tuple[str, str]]] = {**{title: [] for title in VERBS}, "More": []}
        for name, command in every.items():
            words = command.get_short_help_str(formatter.width - width - 6)
            rows[heading.get(name, "More")].append((f"{name:<{width}}", words))
        for title, found in rows.items():
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)


class GroupedCommand(TyperCommand):
    """A command whose help shows its options under headings; those of no group come last."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group of options."""
        heading = {name: title for title, names in GROUPS.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], **{title: [] for title in GROUPS}, "Options": []}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                of_argument = param.param_type_name == "argument"
                rows["Arguments" if of_argument else heading.get(str(param.name), "Options")].append(record)
        for title, found in rows.items():
            if found:
                with formatter.section(title):
                    formatter.write_dl(found, col_max=_COLUMN)
