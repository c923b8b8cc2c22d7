"""What a table should be, what it is, and the difference. Knows no pipeline and no container.

Importing this imports no pyarrow: that happens when the first file is looked into. The names below are imported when
they are first used, as a plan needs no more than the schemas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cursus_sandbox.tables.arrow_types import Family
    from cursus_sandbox.tables.compare import mismatches
    from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
    from cursus_sandbox.tables.observed import ObservedColumn, ObservedTable
    from cursus_sandbox.tables.promises import schema_mismatches
    from cursus_sandbox.tables.reading import observe
    from cursus_sandbox.tables.report import DataCompatibilityReport
    from cursus_sandbox.tables.schema import Constraints, Field, FieldsMatch, TableSchema, merged
    from cursus_sandbox.tables.validator import DataCompatibilityValidator

_HOMES = {
    "arrow_types": ("Family",),
    "compare": ("mismatches",),
    "mismatch": ("Kind", "Mismatch", "Severity"),
    "observed": ("ObservedColumn", "ObservedTable"),
    "promises": ("schema_mismatches",),
    "reading": ("observe",),
    "report": ("DataCompatibilityReport",),
    "schema": ("Constraints", "Field", "FieldsMatch", "TableSchema", "merged"),
    "validator": ("DataCompatibilityValidator",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Constraints",
    "DataCompatibilityReport",
    "DataCompatibilityValidator",
    "Family",
    "Field",
    "FieldsMatch",
    "Kind",
    "Mismatch",
    "ObservedColumn",
    "ObservedTable",
    "Severity",
    "TableSchema",
    "merged",
    "mismatches",
    "observe",
    "schema_mismatches",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
