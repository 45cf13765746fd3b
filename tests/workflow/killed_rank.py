"""`photograft` under torchrun where one process is killed: `-m tests.workflow.killed_rank RANK PATTERN train ...`.

That process kills itself, as a system without memory would, when a file of this pattern is there.
"""

from __future__ import annotations

import glob
import os
import signal
import sys
import threading
import time

from photograft.cli.main import main


def _watch(pattern: str) -> None:
    while not glob.glob(pattern):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if os.environ["RANK"] == sys.argv[1]:
        threading.Thread(target=_watch, args=(sys.argv[2],), daemon=True).start()
    sys.exit(main(sys.argv[3:]))
