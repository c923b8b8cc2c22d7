"""Every row of the conformance page and of the promises names a test that is there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"


@pytest.mark.parametrize("page", ["conformance.md", "promises.md"])
def test_every_named_test_is_there(page):
    """Each row ends with a test, as `file::test`, and the file defines it."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if re.match(r"\| (?!What |#|---)", line)]
    named = [re.search(r"`([\w/]+\.py)::(test_\w+)` \|$", row) for row in rows]
    assert len(rows) > 30
    assert [row for row, found in zip(rows, named, strict=True) if found is None] == []
    missing = [found[0] for found in named if f"def {found[2]}(" not in (TESTS / found[1]).read_text(encoding="utf-8")]
    assert missing == []
