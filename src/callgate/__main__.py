"""`python -m callgate` is the command line."""

from callgate.cli import main

main()
