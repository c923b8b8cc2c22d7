"""Every row of the conformance page names a test that is there."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "conformance.md"


def test_every_named_test_is_there():
    """Each row ends with a test, as `file::test`, and the file defines it."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| (?!What|#|---)", line)]
    named = [re.search(r"`([\w/]+\.py)::(test_\w+)` \|$", row) for row in rows]
    assert len(rows) > 30
    assert [row for row, found in zip(rows, named, strict=True) if found is None] == []
    missing = [found[0] for found in named if f"def {found[2]}(" not in (TESTS / found[1]).read_text(encoding="utf-8")]
    assert missing == []
