"""`cursus-sandbox schema`: from data to a schema, and back."""

import json
import subprocess
import sys

import pytest

ROWS = "id,zip,late\n1,01234,true\n2,99999,\n"
BLOCK = """\
# from data: 1 file, 2 rows
schema:
  fields:
    - {name: id, type: integer, constraints: {required: true}}
    - {name: zip, type: string, constraints: {required: true}}
    - {name: late, type: boolean}
"""


@pytest.fixture
def command(tmp_path):
    """Run the command in a folder with some data."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/rows.csv").write_text(ROWS)

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "cursus_sandbox", "schema", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_infer_and_check(command, tmp_path):
    """What infer writes is what check reads; other data end with 3 and say which cell it is."""
    assert command("infer", "data") == (0, BLOCK, "")
    (tmp_path / "rows.yaml").write_text(BLOCK)
    assert command("check", "data", "rows.yaml")[:2] == (
        0,
        "ok: 1 of 1 files are tables, 2 rows; looked at: every row of CSV\n",
    )
    (tmp_path / "data/rows.csv").write_text(ROWS + "x,1,true\n")
    code, said, _ = command("check", "data", "rows.yaml")
    assert code == 3
    assert "error: rows.csv: column 'id' holds 'x' (row 3, line 4); rows.yaml asks for integer" in said
    assert "'x'" not in command("check", "data", "rows.yaml", "--no-values")[1]
    assert json.loads(command("check", "data", "rows.yaml", "--json")[1])["findings"][0]["row"] == 3


def test_diff(command, tmp_path):
    """Only what differs is shown, then who reads whose data; the exit code says whether both do."""
    (tmp_path / "rows.yaml").write_text(BLOCK)
    assert command("diff", "data", "rows.yaml") == (0, "FULL: no column differs\n", "")
    (tmp_path / "data/rows.csv").write_text("id,zip,more\n1.5,a,b\n")
    code, said, _ = command("diff", "rows.yaml", "data")
    assert code == 1
    assert said.splitlines() == [
        "id    integer, required -> number, required",
        "late  boolean -> not there",
        "more  not there -> string, required",
        "NONE",
    ]


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("frictionless", '"fieldsMatch": "'),
        ("odcs", '"kind": "DataContract"'),
        ("arrow", "id: int64 not null\nzip: string not null\nlate: bool\n"),
    ],
)
def test_export(command, to, expected):
    """A schema, or that of data, is written for others."""
    code, said, _ = command("export", "data", "--to", to)
    assert code == 0
    assert expected in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("infer", "dta"), "error: dta does not exist"),
        (("infer", "last:Step"), "error: last:Step does not exist\n  Write it as RUN:STEP.CHANNEL."),
        (("infer", "last:Step.out"), "error: no run is kept in .cursus-sandbox"),
        (
            ("check", "data", "bad.yaml"),
            "error: bad.yaml:2: schema: 'feilds' is not known here\n  Did you mean 'fields'?",
        ),
        (("check", "data", "none.yaml"), "error: none.yaml: the document does not exist"),
        (
            ("infer", "bad.yaml"),
            "no schema can be read from bad.yaml: there is no parquet, CSV or TSV file in bad.yaml",
        ),
    ],
)
def test_bad_input(command, tmp_path, words, said):
    """What isn't there, or is no schema, is one clear error."""
    (tmp_path / "bad.yaml").write_text("schema:\n  feilds: []\n")
    code, _, error = command(*words)
    assert (code, said in error) == (2, True), error
