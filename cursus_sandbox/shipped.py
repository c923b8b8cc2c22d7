"""What comes with the package besides its code: in a wheel inside of it, in a clone of the repository beside it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped_contracts() -> Path:
    """The folder of the contracts that come with the package."""
    return _folder("contracts")


def shipped_examples() -> Path:
    """The folder of the example projects that come with the package."""
    return _folder("examples")


def _folder(name: str) -> Path:
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
