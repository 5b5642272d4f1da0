"""`python -m pywatt`: the command."""

from pywatt.cli import main

main()
