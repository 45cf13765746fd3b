"""Run a command of photograft and write what its jobs on a cluster took: `python told.py FILE ARGUMENTS...`.

FILE gets, as JSON, one entry per job: when it began and ended (time.time()), its rows and blocks, and by worker the
rows, the seconds that it worked, and its highest memory. The command is otherwise the same.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from photograft.cli.entry import run
from photograft.scaling import jobs


def _tell(file: Path) -> None:
    """Write what every job took, from now on."""
    run_job, told = jobs.run_job, []

    def telling(*given: Any, **named: Any) -> jobs.Done:
        began = time.time()
        done = run_job(*given, **named)
        told.append({"began": began, "ended": time.time(), **asdict(done)})
        file.write_text(json.dumps(told), encoding="utf-8")
        return done

    jobs.run_job = telling  # before what uses it is imported, which commands do late


if __name__ == "__main__":
    _tell(Path(sys.argv.pop(1)))
    run()
