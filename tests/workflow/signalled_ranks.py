"""`photograft` under torchrun where all processes get SIGTERM twice in one step: `-m tests.workflow.signalled_ranks`.

So do Slurm and systemd, which send it to every process of a job, and torchrun then sends it to them again.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from photograft.cli.main import main
from photograft.training.loop import Fit, Step
from photograft.training.reading import Batch


def _signal_in_second_step() -> None:
    train_step = Fit._train_step

    def signalled(self: Fit, batches: Sequence[Batch]) -> Step:
        if (self.task.name, self.step) == ("train", 1):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)
        return train_step(self, batches)

    Fit._train_step = signalled


if __name__ == "__main__":
    _signal_in_second_step()
    sys.exit(main(sys.argv[1:]))
