"""Ctrl-C and SIGTERM during a step: the step is finished and saved first. A second one stops at once.

One of several processes takes no notice of another SIGTERM: Slurm and systemd send it to all of them and to torchrun,
which sends it to them again.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequest:
    """Whether a stop was asked for, by which signal."""

    number: int | None = None

    @property
    def made(self) -> bool:
        """Whether work should end at the next good moment."""
        return self.number is not None


@contextmanager
def stop_on_request(*, several: bool = False) -> Iterator[StopRequest]:
    """Hold back the first SIGINT or SIGTERM until the block ends; then, and at the second one, it does what it did.

    In one of `several` processes only SIGINT counts as a second one, and SIGTERM stays without effect behind a block
    in which a stop was asked for. Outside of the main thread, where signals cannot be handled, nothing is held back.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        if request.made and several and number == signal.SIGTERM:
            return
        if request.made:
            act(number, frame)
        request.number = number

    def act(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number, handler in before.items():
        if handler is not None and handler != signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
    if request.number is not None:
        try:
            act(request.number, None)
        finally:
            if several:  # the one that is sent again may come now, and would cut off the last words
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
