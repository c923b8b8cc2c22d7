"""What a finding about a cell says is to be done."""

import pytest

from cursus_sandbox.tables.advice import advice


@pytest.mark.parametrize(
    ("family", "values", "said"),
    [
        ("integer", ["3.0", "41."], "Int64"),
        ("integer", ["3.5", "1e5"], "round it"),
        ("integer", ["99999999999999999999999"], "64 bits don't hold it"),
        ("integer", ["NA"], "missingValues: ['', 'NA']"),
        ("number", ["None", "n/a"], "missingValues: ['', 'None']"),
        ("number", ["2,5"], "decimal points"),
        ("number", ["1,234", "1 234 567"], "separators of thousands"),
        ("integer", ["0x1F"], "in decimals"),
        ("boolean", ["yes", "N"], "write true and false"),
        ("date", ["31.12.2024"], "write dates as 2024-12-31"),
        ("date", ["2024-12-31 10:00"], "ask for `type: datetime`"),
        ("datetime", ["12/31/2024 10:00"], "write dates as 2024-12-31"),
    ],
)
def test_advice(family, values, said):
    """Values that fail in a way that is known come with what to change."""
    assert said in advice(family, values)


@pytest.mark.parametrize(
    ("family", "values"), [("integer", ["x"]), ("integer", ["1.0", "x"]), ("time", ["7"]), ("date", [])]
)
def test_no_advice(family, values):
    """What fails in no known way, or in several, comes with none rather than a wrong one."""
    assert advice(family, values) == ""
