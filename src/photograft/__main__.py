"""`python -m photograft` is the command `photograft`."""

from photograft.cli.entry import run

run()
