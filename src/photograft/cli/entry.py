"""The process of the command `photograft`: `main`, then an end that keeps its exit code."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn

from photograft.cli.main import main


def run() -> NoReturn:
    """Run the command of this process and end with its exit code."""
    code = main()
    if "ray" in sys.modules:
        _leave_without_finalizing(code)
    sys.exit(code)


def _leave_without_finalizing(code: int) -> NoReturn:
    """End the process, after what is due at its end, but without taking the interpreter and native libraries down.

    Native threads of Ray live on after `ray.shutdown()`. In a process that is taken down they may end in SIGABRT after
    all work is done and said (seen where a machine was lost; https://github.com/ray-project/ray/issues/49088), and a
    script that called the command would take the work for failed. Ray ends its own workers in this way.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a reader that has gone; a stream that is closed
            stream.flush()
    os._exit(code)
