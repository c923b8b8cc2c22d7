"""Builds the docs site: the pages of this folder, and the reference, which is written from the code.

    python docs/pages.py          build/site, any warning is an error
    python docs/pages.py --pages  only put the pages together, in build/docs

A page that only the code can fill has a line where it goes, `GENERATED`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cursus_sandbox.documents.json_schemas import contract_schema, dag_schema

ROOT = Path(__file__).parents[1]
DOCS, BUILD = ROOT / "docs", ROOT / "build"
GENERATED = "*(Written here from the code by `make docs`.)*\n"
FROM_ROOT = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "LICENSE": "LICENSE.txt",
}
PYTHON = {
    "Functions": ("check", "plan", "run", "rerun", "clean"),
    "What comes back": ("PipelineExecutionPlan", "PipelineExecutionResult", "StepExecutionResult", "StepStatus"),
    "Errors": ("SandboxError", "DocumentError", "EngineError", "WorkspaceError", "ExitCode"),
    "The parts": (
        *("PipelineDAG", "PipelineDAGResolver", "PipelineExecutor", "ScriptContract", "S3OutputPathRegistry"),
        *("DataCompatibilityValidator", "DataCompatibilityReport"),
    ),
}
SCHEMAS = {"dag.yaml": ("dag.schema.json", dag_schema), "*.step.yaml": ("contract.schema.json", contract_schema)}


def main() -> None:
    """Put the pages together and build the site of them."""
    pages = BUILD / "docs"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name, page in FROM_ROOT.items():
        (pages / page).write_text(_from_root(ROOT / name), encoding="utf-8")
    _fill(pages / "reference/commands.md", _commands())
    _fill(pages / "reference/python.md", _python())
    _fill(pages / "reference/documents.md", "\n".join(_documents(pages / "reference")))
    config = BUILD / "mkdocs.yml"
    config.write_text(_with_decisions((ROOT / "mkdocs.yml").read_text(encoding="utf-8")), encoding="utf-8")
    _refuse("pages that the navigation in mkdocs.yml doesn't have", _not_listed(pages, config))
    if "--pages" not in sys.argv:
        zensical = Path(sys.executable).with_name("zensical")
        subprocess.run([zensical, "build", "--clean", "--strict", "--config-file", config], cwd=ROOT, check=True)
        _refuse("what is fetched from elsewhere when the page is read", _fetched(BUILD / "site"))


def _refuse(what: str, found: list[str]) -> None:
    if found:
        raise SystemExit(f"{what}: {', '.join(found)}")


def _not_listed(pages: Path, config: Path) -> list[str]:
    listed = config.read_text(encoding="utf-8")
    names = [str(page.relative_to(pages)) for page in sorted(pages.rglob("*.md"))]
    return [name for name in names if f" {name}\n" not in listed]


def _fetched(site: Path) -> list[str]:
    """Scripts, styles and pictures of other hosts."""
    elsewhere = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^\" >]+")
    found = {one for page in site.rglob("*.html") for one in elsewhere.findall(page.read_text(encoding="utf-8"))}
    return sorted(found)


def _from_root(file: Path) -> str:
    """A page of the repository's root, whose links lead from docs/ instead."""
    text = file.read_text(encoding="utf-8").replace("](docs/", "](")
    for name, page in FROM_ROOT.items():
        text = text.replace(f"]({name})", f"]({page})")
    return text


def _fill(page: Path, text: str) -> None:
    before, found, after = page.read_text(encoding="utf-8").partition(GENERATED)
    if not found:
        raise SystemExit(f"{page} has no line {GENERATED.strip()}")
    page.write_text(f"{before}{text}\n{after}", encoding="utf-8")


def _with_decisions(config: str) -> str:
    """The configuration, with every decision in its navigation and paths that count from its new place."""
    found = [f"      - decisions/{file.name}" for file in sorted((DOCS / "decisions").glob("*.md"))]
    config = config.replace("      - DECISIONS", "\n".join(["      - Decisions:", *(f"    {one}" for one in found)]))
    return config.replace(": build/", ": ").replace("paths: [.]", "paths: [..]")


def _commands() -> str:
    """Every command with its options, as typer writes them; examples as blocks of their own."""
    typer = [sys.executable, "-m", "typer", "cursus_sandbox.cli.main", "utils", "docs", "--name", "cursus-sandbox"]
    text = subprocess.run(typer, check=True, capture_output=True, text=True).stdout
    text = re.sub(r"^#(#*) `(.*)`$", r"#\1# `\2`", text, flags=re.MULTILINE)
    return re.sub(r"^(Examples?|Exit codes):\n((?:  .*\n)+)", _as_block, text, flags=re.MULTILINE)


def _as_block(found: re.Match[str]) -> str:
    return f"**{found[1]}**:\n\n```text\n{re.sub('^  ', '', found[2], flags=re.MULTILINE)}```\n"


def _python() -> str:
    import cursus_sandbox  # noqa: PLC0415 -- what it exports is the page

    return "\n".join(_parts(cursus_sandbox))


def _parts(package: Any) -> Iterator[str]:
    """Every public name under its heading, from the module it is defined in."""
    left = set(package.__all__)
    for title, names in PYTHON.items():
        yield f"## {title}\n"
        yield from (f"::: {getattr(package, name).__module__}.{name}\n" for name in names)
        left -= set(names)
    _refuse("public names that no heading in docs/pages.py has", sorted(left))


def _documents(folder: Path) -> Iterator[str]:
    """The keys of each document, from its JSON Schema, which lies beside the page."""
    for title, (file, schema_of) in SCHEMAS.items():
        schema = schema_of()
        (folder / file).write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
        yield f"## {title}\n\nAs a file for an editor: [{file}]({file}).\n"
        yield from _keys(schema)
        for name, part in sorted(schema.get("$defs", {}).items()):
            if "properties" in part:
                yield f"### {name.removeprefix('_')} {{#{file.partition('.')[0]}-{name.strip('_').lower()}}}\n"
                yield from _keys(part)


def _keys(schema: dict[str, Any]) -> Iterator[str]:
    if said := schema.get("description"):
        yield f"{' '.join(said.split())}\n"
    required = schema.get("required", [])
    yield "| key | takes | default |\n|---|---|---|"
    for name, key in schema["properties"].items():
        default = "required" if name in required else f"`{json.dumps(key['default'])}`" if "default" in key else ""
        yield f"| `{name}` | {_kind(key)} | {default.replace('`null`', '')} |"
    yield ""


def _kind(key: Any) -> str:  # noqa: PLR0911 -- a case each
    """What a key takes, in few words."""
    match key:
        case {"$ref": str(name)}:
            return f"`{name.rpartition('/')[2].strip('_')}`"
        case {"anyOf": list(some)} | {"oneOf": list(some)}:
            return " or ".join(dict.fromkeys(_kind(one) for one in some if one != {"type": "null"}))
        case {"enum": list(values)}:
            return ", ".join(f"`{json.dumps(one)}`" for one in values)
        case {"type": "array", "items": items}:
            return f"a list of {_kind(items)}"
        case {"additionalProperties": dict(values)} if values:
            return f"names, each with {_kind(values)}"
        case {"properties": dict(inside)}:
            return "an object of " + ", ".join(f"`{name}`" for name in inside)
        case {"type": list(kinds)}:
            return " or ".join(str(kind) for kind in kinds if kind != "null")
        case {"type": kind}:
            return str(kind)
    return "anything"


if __name__ == "__main__":
    main()
