"""The command line: the verbs of `cursus_sandbox.api`, typed."""

from cursus_sandbox.cli.beginning import ends_at_once

with ends_at_once():
    from cursus_sandbox.cli.main import main

__all__ = ["main"]
