"""A table that isn't text, seen from outside."""

import json
import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("cursus-sandbox"))


def test_a_ragged_row_that_is_no_utf_8(tmp_path):
    """A finding says what is wrong with it, and no library prints a traceback beside that."""
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n" + b"3,\xe9\xff,4\n" * 5 + b"5,6\n")
    (tmp_path / "schema.json").write_text(json.dumps({"fields": [{"name": "a"}, {"name": "b"}]}))
    ran = subprocess.run(
        [COMMAND, "schema", "check", str(tmp_path / "a.csv"), str(tmp_path / "schema.json")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "UTF-8" in ran.stdout + ran.stderr
