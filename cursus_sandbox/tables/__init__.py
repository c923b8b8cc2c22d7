"""What a table should be, what it is, and the difference. Knows no pipeline and no container.

Importing this imports no pyarrow: that happens when the first file is looked into.
"""

from cursus_sandbox.tables.arrow_types import Family
from cursus_sandbox.tables.compare import mismatches
from cursus_sandbox.tables.mismatch import Kind, Mismatch, Severity
from cursus_sandbox.tables.observed import ObservedColumn, ObservedTable
from cursus_sandbox.tables.promises import schema_mismatches
from cursus_sandbox.tables.reading import observe
from cursus_sandbox.tables.report import DataCompatibilityReport
from cursus_sandbox.tables.schema import Constraints, Field, FieldsMatch, TableSchema, merged
from cursus_sandbox.tables.validator import DataCompatibilityValidator

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
