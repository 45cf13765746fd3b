"""The end of the process: its exit code stands, whatever native threads are left."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Something of the program that is only taken down together with the interpreter, and something that is due before.
PROGRAM = """
import atexit, sys, types
sys.argv = ["photograft", *{arguments}]
{before}
class Native:
    def __del__(self): print("finalized")
native = Native()
atexit.register(print, "at exit")
from photograft.cli.entry import run
run()
"""


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["no-verb"], 2)])
@pytest.mark.parametrize(
    ("before", "ends"), [("", "at exit\nfinalized\n"), ("sys.modules['ray'] = types.ModuleType('ray')", "at exit\n")]
)
def test_the_exit_code_stands_and_ray_is_not_taken_down(
    arguments: list[str], code: int, before: str, ends: str
) -> None:
    program = PROGRAM.format(arguments=arguments, before=before)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout.endswith(ends) and ("finalized" in done.stdout) == ("finalized" in ends)
