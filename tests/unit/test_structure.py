"""The house keeps its shape: who may import whom, and which library comes in by which door."""

import ast
import subprocess
import sys
from fnmatch import fnmatchcase
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import cursus_sandbox

PACKAGE = Path(cursus_sandbox.__file__).parent

# A room, and what it may import besides itself. `sagemaker` turns a planned step into a job, so it knows the values of
# both sides, and of the engines no more than the seam. `reports` shows where things lie in a container.
ROOMS = {
    "tables": {"errors", "untrusted", "bytes_done"},
    "engines": {"errors", "untrusted", "bytes_done"},
    "pipeline": {"errors", "tables"},
    "sagemaker": {"errors", "untrusted", "bytes_done", "leaves", "pipeline", "engines.engine"},
    "reports": {"errors", "log_end", "pipeline", "tables", "sagemaker.layout"},
}

# The hallway: each may import any room, and of the hallway only what stands before it.
HALLWAY = [
    *("errors", "untrusted", "bytes_done", "leaves", "log_end", "amount", "shipped", "workflow_commands"),
    *("documents", "inputs", "overrides", "planning", "drafts", "capacity"),
    *(
        "runs",
        "caching",
        "secrets",
        "steps",
        "engine_choice",
        "cluster",
        "site_choice",
        "interruptions",
        "outcomes",
        "walk",
        "executor",
        "blessing",
        "doctor",
        "reports",
        "api",
    ),
    *("pytest_plugin", "cli"),
    "__main__",
]

# A library, and the modules it may be imported in.
DOORS = {
    "pyarrow": ["tables.*", "inputs.s3", "inputs.s3_access"],
    "docker": ["engines.docker*"],
    "requests": ["engines.docker*"],
    "urllib3": ["engines.docker*"],
    "distributed": ["cluster.*"],
    "networkx": ["pipeline.circles"],
    "yaml": ["documents.*"],
    "jinja2": ["reports.html"],
    "rich": ["reports.*", "cli.*"],
    "typer": ["cli.*"],
    "pytest": ["pytest_plugin"],
}


def module_name(file):
    """A module's name without the package's, such as `pipeline.plan`; a package's own file is named as the package."""
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports(file, *, at_once=False):
    """The full names a file imports, wherever in it, or when it is imported; `from a import b` is `a.b`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = []
    for node in tree.body if at_once else ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [one.name for one in names]
            case ast.ImportFrom(module=str(module), names=names, level=0):
                found += [f"{module}.{one.name}" for one in names]
            case ast.ImportFrom():
                raise AssertionError(f"{file} has a relative import")
    return tuple(found)


def ours(file, *, at_once=False):
    """The modules of the package that a file imports."""
    for name in imports(file, at_once=at_once):
        inside = name.removeprefix("cursus_sandbox.")
        while inside and inside != name:
            if inside in FILES:
                yield inside
                break
            inside = inside.rpartition(".")[0]


# The package's own file names everything for type checkers and imports nothing until it is asked for.
GRAPH = {name: set(ours(file)) - {name} for name, file in FILES.items() if name != "__init__"}
EDGES = [(importer, imported) for importer, some in GRAPH.items() for imported in sorted(some)]


def within(module, place):
    """Whether a module is a room, a hallway file, or in one of them."""
    return module == place or module.startswith(f"{place}.")


def test_every_module_has_its_place():
    """Every module stands in a room or in the hallway."""
    places = {*ROOMS, *HALLWAY}
    assert [name for name in GRAPH if name.partition(".")[0] not in places] == []


@pytest.mark.parametrize("room", ROOMS)
def test_rooms(room):
    """A room imports itself and what it may borrow, nothing else."""
    allowed = {room, *ROOMS[room]}
    assert [
        f"{importer} imports {imported}"
        for importer, imported in EDGES
        if within(importer, room) and not any(within(imported, place) for place in allowed)
    ] == []


@pytest.mark.parametrize("place", [place for place in HALLWAY if place not in ROOMS])
def test_hallway(place):
    """What stands in the hallway imports rooms and what stands before it, nothing behind it."""
    behind = HALLWAY[HALLWAY.index(place) + 1 :]
    assert [
        f"{importer} imports {imported}"
        for importer, imported in EDGES
        if within(importer, place) and any(within(imported, other) for other in behind)
    ] == []


def test_errors_stand_alone():
    """The error tree imports nothing of ours, nor does what handles files that nobody vouches for, or counts bytes."""
    assert GRAPH["errors"] == GRAPH["untrusted"] == GRAPH["bytes_done"] == set()


def test_who_knows_engines():
    """Particular engines are known to engine_choice, and one to executor; the seam is to who uses it."""
    outside = [(importer, imported) for importer, imported in EDGES if not within(importer, "engines")]
    known = {(importer, imported) for importer, imported in outside if within(imported, "engines")}
    seam = {importer.partition(".")[0] for importer, imported in known if imported == "engines.engine"}
    assert seam == {
        *("sagemaker", "secrets", "steps", "engine_choice", "cluster", "site_choice", "walk", "executor", "api")
    }
    particular = {(importer, imported) for importer, imported in known if imported != "engines.engine"}
    assert particular <= {
        *(("engine_choice", f"engines.{name}") for name in ("docker", "local", "process")),
        ("executor", "engines.local"),
        ("doctor.probes", "engines.local"),
        ("doctor.probes", "engines.docker_survey"),
        ("doctor.examination", "engines.docker_survey"),
        ("doctor.findings", "engines.docker_survey"),  # whose facts it judges
        ("doctor.findings", "engines.mounts"),
        ("runs.folders", "engines.mounts"),  # which knows what an overlay leaves behind
    }


def test_no_circles():
    """No two modules need each other to be imported."""
    at_once = {name: set(ours(file, at_once=True)) - {name} for name, file in FILES.items() if name != "__init__"}
    TopologicalSorter(at_once).prepare()


@pytest.mark.parametrize("library", DOORS)
def test_one_library_one_door(library):
    """A library is imported where it is at home and nowhere else, and is used there."""
    users = [
        name
        for name, file in FILES.items()
        if any(one == library or one.startswith(f"{library}.") for one in imports(file))
    ]
    at_home = [name for name in users if any(fnmatchcase(f"{name}.", f"{door}.") for door in DOORS[library])]
    assert users == at_home
    assert users


def test_the_pipeline_is_pure():
    """What a pipeline is and what is decided of it touches no file, process, thread or clock."""
    impure = {"io", "os", "random", "shutil", "socket", "subprocess", "sys", "tempfile", "threading", "time"}
    assert [
        f"{name} imports {one}"
        for name, file in FILES.items()
        if within(name, "pipeline")
        for one in imports(file)
        if one.partition(".")[0] in impure
    ] == []


def test_heavy_libraries_are_imported_late():
    """Importing the command line imports none of the libraries that only a run needs."""
    program = "import sys, cursus_sandbox.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"pyarrow", "docker", "networkx", "yaml", "distributed"} & set(loaded) == set()
    assert "typer" in loaded
