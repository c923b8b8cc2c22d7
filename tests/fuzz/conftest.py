"""How many inputs were tried is said at the end."""

import mutations


def pytest_terminal_summary(terminalreporter):
    """Say it, where it was not done in other processes."""
    if mutations.EXAMPLES:
        terminalreporter.write_line(f"fuzz: {mutations.tried:,} inputs")
