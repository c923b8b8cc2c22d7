"""The command line: the verbs of `cursus_sandbox.api`, typed."""

from cursus_sandbox.cli.main import main

__all__ = ["main"]
