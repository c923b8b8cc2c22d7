"""What a script names and wants to be told is read off its text, whatever way it is written; nothing is run."""

import ast
import textwrap

import pytest

from cursus_sandbox.sagemaker.script_paths import Constants, paths_used
from cursus_sandbox.sagemaker.script_settings import settings_read


def paths(text):
    module = ast.parse(textwrap.dedent(text))
    return [(one.path, str(one.use), one.whole) for one in paths_used(module, Constants(module))]


def settings(text):
    module = ast.parse(textwrap.dedent(text))
    return settings_read(module, Constants(module))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("open('/opt/ml/model/m.json', 'w')", ("/opt/ml/model/m.json", "written", True)),
        ("open('/opt/ml/processing/input/a.csv')", ("/opt/ml/processing/input/a.csv", "read", True)),
        ("open('/opt/ml/model/m', mode='rb')", ("/opt/ml/model/m", "read", True)),
        ("B = '/opt/ml'\nt.to_csv(f'{B}/output/data/x.csv')", ("/opt/ml/output/data/x.csv", "written", True)),
        ("B = '/opt/ml/'\nt.to_csv(B + 'model/x.csv')", ("/opt/ml/model/x.csv", "written", True)),
        ("import os\npd.read_csv(os.path.join('/opt/ml', 'a', 'b.csv'))", ("/opt/ml/a/b.csv", "read", True)),
        ("B: str = '/opt/ml'\n(Path(B) / 'model' / 'x').write_text('')", ("/opt/ml/model/x", "written", True)),
        ("Path('/opt/ml/model').joinpath('x').mkdir()", ("/opt/ml/model/x", "written", True)),
        ("P = {'in': '/opt/ml/a'}\npd.read_csv(P['in'] + '/x.csv')", ("/opt/ml/a/x.csv", "read", True)),
        ("def f(n):\n    open(f'/opt/ml/model/{n}.bin', 'wb')", ("/opt/ml/model", "written", False)),
        ("def f(n):\n    pd.read_csv(os.path.join('/opt/ml/a', n))", ("/opt/ml/a", "read", False)),
        ("main('/opt/ml/processing/output/x')", ("/opt/ml/processing/output/x", "named", True)),
        ("pd.read_csv(os.environ['SM_CHANNEL_TRAIN'])", ("/opt/ml/input/data/train", "read", True)),
        ("B = '/opt/ml/model'\nB = '/tmp'\nopen(B)", ("/opt/ml/model", "named", True)),
        ("save(m, os.environ.get('SM_MODEL_DIR', '/opt/ml/model'))", ("/opt/ml/model", "written", True)),
    ],
)
def test_a_path(text, found):
    """A path is put together from constants as far as that goes, and the call it is given to says what it is for."""
    assert paths(text) == [found]


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring of /opt/ml/model."""',
        "x = '/opt/mlops/a'\nprint(x)",
        "print('see /opt/ml/model')",
        "def f(B):\n    open(B)",
        "A = B\nB = A\nopen(A)",
    ],
)
def test_no_path(text):
    """What only speaks of a path, what is a parameter and what goes in circles is none."""
    assert paths(text) == []


def test_names_of_names():
    """A text that doubles with each of many names is told no further than a path can be long."""
    lines = ["a0 = '/opt/ml/model'", *(f"a{n + 1} = a{n} + a{n}" for n in range(60)), "open(a60)"]
    found = paths("\n".join(lines))
    assert len(found) == 2
    assert max(len(path) for path, _, _ in found) <= 4096


def test_a_mapping_of_paths_names_its_channels():
    """The word that a path stands behind in a mapping is kept: it is what the script calls it."""
    module = ast.parse("IN = {'DATA': '/opt/ml/processing/input/data'}\nmain(IN)")
    (one,) = paths_used(module, Constants(module))
    assert (one.key, one.line) == ("DATA", 1)


def test_variables():
    """What raises without it is required, what has a default is not, and what is taken for a number is one."""
    found = settings(
        """
        import os
        A = os.environ["A"]
        B = os.environ.get("B", "x")
        C = float(os.getenv("C", 0.5))
        D = int(os.environ["D"])
        E = os.environ.get("E")
        os.environ["F"] = "written"
        A = os.getenv("A", "again")
        """
    ).variables
    assert [(one.name, one.line, one.required, one.default, one.kind) for one in found] == [
        ("A", 3, True, None, "str"),
        ("B", 4, False, "x", "str"),
        ("C", 5, False, "0.5", "float"),
        ("D", 6, True, None, "int"),
        ("E", 7, False, None, "str"),
    ]


def test_variables_that_a_mapping_or_list_names():
    """Variables read in turn, by the names of a constant mapping or list, are found with their defaults."""
    found = settings(
        """
        DEFAULTS = {"A": "1", "B": ""}
        env = {name: os.environ.get(name, value) for name, value in DEFAULTS.items()}
        for key in ["C"]:
            print(os.environ[key])
        """
    )
    assert [(one.name, one.required, one.default) for one in found.variables] == [
        ("A", False, "1"),
        ("B", False, ""),
        ("C", True, None),
    ]
    assert found.untold == ()


def test_arguments():
    """An argument has its flag, whether it must be told, its default, choices and type; a switch takes no value."""
    found = settings(
        """
        KINDS = ("a", "b")
        parser.add_argument("data")
        parser.add_argument("-n", "--rows", type=int, default=5)
        parser.add_argument("--kind", choices=KINDS, required=True)
        parser.add_argument("--fast", action="store_true")
        parser.add_argument("more", nargs="*")
        parser.add_argument(flag)
        """
    )
    said = [(one.flag, one.required, one.default, one.kind, one.choices, one.is_switch) for one in found.arguments]
    assert said == [
        ("data", True, None, "str", (), False),
        ("--rows", False, "5", "int", (), False),
        ("--kind", True, None, "str", ("a", "b"), False),
        ("--fast", False, None, "str", (), True),
        ("more", False, None, "str", (), False),
    ]
    assert found.untold == ((8, "has an argument whose flag is computed"),)


def test_what_can_not_be_told():
    """A variable whose name is computed is said with its line."""
    found = settings("import os\ndef f(name):\n    return os.environ[name], os.environ[name.upper()]\n")
    assert [line for line, _ in found.untold] == [3, 3]


def test_columns():
    """Words that rows and tables are asked for are columns; what the script adds, and its own mappings, are not."""
    found = settings(
        """
        SETTINGS = {"depth": 3}
        x = float(row["age"]) + SETTINGS["depth"] + int(row["rooms"])
        table[["a", "b"]].sum()
        table["made"] = table["a"] * 2
        print(table["made"], os.environ["VARIABLE"])
        """
    ).columns
    assert found == {"age": "float", "rooms": "int", "a": "", "b": ""}
