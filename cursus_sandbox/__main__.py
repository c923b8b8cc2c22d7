"""`python -m cursus_sandbox`."""

from cursus_sandbox.cli import main

main()
