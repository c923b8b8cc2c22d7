"""What a machine may lack, such as a daemon: what needs it skips, and fails where CURSUS_SANDBOX_REQUIRE names it."""

import os
from typing import NoReturn

import pytest

REQUIRED = frozenset(os.environ.get("CURSUS_SANDBOX_REQUIRE", "").replace(" ", "").split(","))


def lacking(what: str, why: object) -> NoReturn:
    """Skip the test, or fail it where that is required; `why` says how to get it."""
    if what in REQUIRED:
        pytest.fail(str(why))
    pytest.skip(str(why))
