"""What several unit tests need."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None, max_examples=30)  # a busy machine is no failure
settings.load_profile("untimed")

NOBODY = 65534


@pytest.fixture
def public_folder():
    """A folder that every user may enter; pytest's own lie below one that only the caller may."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def without_privileges():
    """A context in which root has the rights of nobody, so that permissions hold; for others it is empty."""

    @contextmanager
    def context():
        before = os.geteuid()
        if before == 0:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(before)

    return context
