"""`python -m nokchart`."""

from nokchart.cli import main

main()
