"""Every shell and Python block of the README and of the docs is run, and what it shows is what comes out.

The blocks of a page are one session in a folder with the repository's examples and contracts. A block with a title,
`title="file"`, is written to that file, counted from where the page began. Shown lines must come in their order;
numbers may be others, blanks too, and `…` stands for anything. A command that fails is followed by `echo $?`. A comment
before a block says why it isn't run, `<!-- not run: … -->`, or that it needs a daemon and the images,
`<!-- needs docker -->`: the blocks that do are a session of their own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from lacking import lacking

from cursus_sandbox.engines.docker import why_absent

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
]
FENCE = re.compile(
    r"(?:^<!-- (?P<marker>not run: [^\n]+|needs docker) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
SHELLS = ("console", "bash", "sh", "shell")
MARK = "~~~"
BROUGHT = ("examples", "contracts", "images", "Makefile", "pyproject.toml", "CHANGELOG.md")


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    title: str | None
    text: str
    marker: str | None

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Each command, and the lines that are shown of what it writes."""
        if self.language == "python":
            return [(f"python - <<'EOF'\n{self.text}EOF", [])]
        if self.language != "console":
            return [(self.text, [])]
        found: list[tuple[str, list[str]]] = []
        goes_on = False
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif goes_on or line.startswith("> "):
                command, shown = found[-1]
                found[-1] = (f"{command}\n{line.removeprefix('> ')}", shown)
            else:
                found[-1][1].append(line)
            goes_on = line.endswith("\\")
        return found


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            line=text.count("\n", 0, one.start("language")) + 1,
            language=one["language"],
            title=one["title"],
            text=re.sub(f"^{one['indent']}", "", one["text"], flags=re.MULTILINE),
            marker=one["marker"],
        )
        for one in FENCE.finditer(text)
    ]


def runs(block: Block) -> bool:
    return block.language in (*SHELLS, "python") and not (block.marker or "").startswith("not run")


WITH_COMMANDS = [page for page in PAGES if any(runs(block) for block in blocks(page))]
NAMES = {page: str(page.relative_to(ROOT)) for page in PAGES}


@pytest.fixture
def session(tmp_path):
    """A folder like a clone of the repository that `make` has prepared, and the variables of a shell in it.

    Its example takes a tenth of the flights.
    """
    folder = tmp_path / "cursus-sandbox"
    folder.mkdir()
    for name in BROUGHT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    example = folder / "examples/xgboost/dag.yaml"
    example.write_text(example.read_text(encoding="utf-8").replace('"60000"', '"6000"'), encoding="utf-8")
    (folder / ".venv").symlink_to(sys.prefix)
    tools = tmp_path / "bin"
    tools.mkdir()
    _program(tools / "make", f'exec {shutil.which("make")} -o .venv/installed "$@"')
    _program(tools / "pip", "echo 'what installs is not run: it would change what is tested'; exit 1")
    (tmp_path / "home").mkdir()
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    docker = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    return folder, {"PATH": path, "HOME": str(tmp_path / "home"), "COLUMNS": "100", "LANG": "C.UTF-8", **docker}


def _program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)


@pytest.mark.parametrize(
    ("page", "with_docker"),
    [
        pytest.param(
            page,
            with_docker,
            id=f"{NAMES[page]}{'-docker' * with_docker}",
            marks=[pytest.mark.docker, pytest.mark.images] if with_docker else [],
        )
        for page in WITH_COMMANDS
        for with_docker in ([False, True] if any(one.marker == "needs docker" for one in blocks(page)) else [False])
    ],
)
def test_blocks(page, with_docker, session):
    """The commands of a page do what the page says."""
    if with_docker and (reason := why_absent()):
        lacking("docker", reason)
    folder, environment = session
    script, expected = _script(page, with_docker=with_docker)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=540,
        check=False,
    )
    said = re.findall(rf"{MARK}(\d+)\n(.*?){MARK}ended (\d+)\n", done.stdout, re.DOTALL)
    assert len(said) == len(expected), done.stdout
    for number, ((where, command, shown), (_, output, code)) in enumerate(zip(expected, said, strict=True)):
        asked = number + 1 < len(expected) and expected[number + 1][1] == "echo $?"
        assert code == "0" or asked, f"{where}: {command} ended with {code}:\n{output}"
        missing = not_shown(shown, output)
        assert missing is None, f"{where}: {command} does not say {missing!r}, but:\n{output}"


def _script(page: Path, *, with_docker: bool) -> tuple[str, list[tuple[str, str, list[str]]]]:
    """A page as one shell script, and the commands in it with where they stand and what is shown of them."""
    lines, commands = ["top=$PWD", "last=0"], []
    for block in blocks(page):
        if block.title:
            lines += [f'mkdir -p "$top/{Path(block.title).parent}"', f"cat > \"$top/{block.title}\" <<'WRITTEN'"]
            lines += [f"{block.text}WRITTEN"]
        elif runs(block) and with_docker == (block.marker == "needs docker"):
            for command, shown in block.commands:
                lines += [f"printf '%s\\n' '{MARK}{len(commands)}'", "(exit $last)", command]
                lines += ["last=$?", f"printf '%s\\n' \"{MARK}ended $last\""]
                commands.append((f"{NAMES[page]}:{block.line}", command, shown))
    return "\n".join([*lines, ""]), commands


def not_shown(shown: list[str], output: str) -> str | None:
    """The first shown line that isn't in the output behind those before it, wherever that folds."""
    left = _plain(output)
    for line in shown:
        found = re.search(re.escape(_plain(line)).replace("…", ".*?"), left)
        if found is None:
            return line
        left = left[found.end() :]
    return None


def _plain(text: str) -> str:
    """A text without what is another one each time."""
    return re.sub(r"\s+", " ", re.sub(r"\d[\d.,-]*", "#", text)).strip()


@pytest.mark.parametrize("page", PAGES, ids=NAMES.get)
def test_no_block_is_forgotten(page):
    """A block with commands says that it is one; one that isn't run says why; a marker stands before a block."""
    text = page.read_text(encoding="utf-8")
    found = blocks(page)
    assert text.count("```") == 2 * len(found)
    assert len(re.findall(r"^<!-- (?:not run|needs)", text, re.MULTILINE)) == sum(
        one.marker is not None for one in found
    )
    for block in found:
        if block.language not in SHELLS:
            assert not re.search(r"^\s*(\$|cursus-sandbox|make|pip) ", block.text, re.MULTILINE), block
        elif block.language == "console":
            assert block.text.startswith("$ "), block


@pytest.mark.parametrize("page", PAGES, ids=NAMES.get)
def test_links_lead_somewhere(page):
    """A link or picture within the repository is there."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_what_is_compared():
    """Other numbers and widths are no difference; other words, and another order, are."""
    output = "a  12.5 s\nb: runs/20261125-100043-554\nc\n"
    assert not_shown(["a 3 s", "…", "b: runs/20260101-000000-000"], output) is None
    assert not_shown(["c", "a 3 s"], output) == "a 3 s"
    assert not_shown(["b: …", "d"], output) == "d"
