"""What the command line prints: data on stdout, messages and progress on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from photograft.workflow.narrator import duration

if TYPE_CHECKING:
    from photograft.workflow.narrator import Progress as Progress

PLAIN_INTERVAL_S = 5.0


def print_json(value: Any) -> None:
    """Print `value` as JSON on stdout, in UTF-8 whatever the locale. Raises ValueError for NaN and infinity."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    _write_bytes(text)


def print_text(text: str) -> None:
    """Print result text on stdout, in UTF-8 whatever the locale."""
    _write_bytes(text)


def say(text: str) -> None:
    """Tell the user something on stderr, where it never mixes with data."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, label: str) -> Iterator[Progress]:
    """Show how far long work is, with rate and time left, on stderr.

    A bar on a terminal; elsewhere plain lines, at most one every five seconds. NO_COLOR is honoured.
    """
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar(total, label) as bar:
            yield bar
    else:
        lines = _Lines(total, label)
        yield lines
        lines.finish()


class _Lines:
    """Progress as plain lines, for logs and pipes."""

    def __init__(self, total: int, label: str) -> None:
        self.total = total
        self.label = label
        self.done = 0
        self.started = self.last = time.monotonic()

    def advance(self, n: int = 1) -> None:
        self.done += n
        now = time.monotonic()
        if now - self.last >= PLAIN_INTERVAL_S:
            self.last = now
            say(f"{self.label}: {self.done:,}/{self.total:,}, {self._rate(now):.1f}/s, {self._left(now)} left")

    def finish(self) -> None:
        now = time.monotonic()
        if self.last != self.started:  # short work needs no lines at all
            seconds = now - self.started
            say(f"{self.label}: {self.done:,}/{self.total:,} in {duration(seconds)}, {self._rate(now):.1f}/s")

    def _rate(self, now: float) -> float:
        return self.done / max(now - self.started, 1e-9)

    def _left(self, now: float) -> str:
        rate = self._rate(now)
        return duration(max(self.total - self.done, 0) / rate) if rate else "?"


@contextmanager
def _bar(total: int, label: str) -> Iterator[Progress]:
    # Imported here: rich.progress takes 0.1 s that `--help` does not have.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), redirect_stdout=False) as display:
        task = display.add_task(label, total=total, rate="")

        class _Bar:
            """Progress as a bar that rich draws."""

            def advance(self, n: int = 1) -> None:
                speed = display.tasks[0].speed
                display.update(task, advance=n, rate=f"{speed:.1f}/s" if speed else "")

        yield _Bar()


def _write_bytes(text: str) -> None:
    # Names that are not UTF-8 on disk come as lone surrogates; `\udcff` is how JSON writes them.
    data = (text if text.endswith("\n") else text + "\n").encode("utf-8", errors="backslashreplace")
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
