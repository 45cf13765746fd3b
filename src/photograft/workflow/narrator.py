"""How a workflow speaks to whoever watches: sentences, and the progress of long work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Counts pieces of long work."""

    def advance(self, n: int = 1) -> None:
        """Count `n` more pieces as done."""


class Narrator(Protocol):
    """Whoever watches a workflow: the command line, a notebook, nobody."""

    def say(self, text: str) -> None:
        """Tell one sentence."""

    def progress(self, total: int, label: str) -> AbstractContextManager[Progress]:
        """Show long work of `total` pieces."""
        ...


class Silent:
    """Nobody watches: the default of the Python functions."""

    def say(self, text: str) -> None:
        """Tell nothing."""

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Progress]:
        """Show nothing."""
        yield _Uncounted()


def say_notes(notes: Sequence[str], narrator: Narrator) -> None:
    """Tell what was noted about the source, a few sentences at most."""
    for note in notes[:_NOTES]:
        narrator.say(f"Note: {note}")
    if len(notes) > _NOTES:
        narrator.say(f"... and {len(notes) - _NOTES} more notes; `photograft check --json` lists them all")


def duration(seconds: float) -> str:
    """Seconds in words, as people say them: 40 s, 3 min 20 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


_NOTES = 5


class _Uncounted:
    def advance(self, n: int = 1) -> None:
        pass
