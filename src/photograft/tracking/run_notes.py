"""Tags and a note that people give to a run, in a file of the run that is never sealed and so may change."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from photograft.errors import ConfigError, ModelError
from photograft.tracking.atomic import write_atomically
from photograft.tracking.run_folder import NOTES

KEEP = "keep"
"""The tag of runs that are never removed to make room."""

_FORMAT = 1
_LONGEST_TAG = 100


@dataclass(frozen=True)
class RunNotes:
    """What people wrote about a run."""

    tags: tuple[str, ...] = ()
    note: str = ""


def read_notes(run: Path) -> RunNotes:
    """The tags and the note of a run; none where there is no file.

    Raises:
        ModelError: The file is damaged, or of a newer release.
    """
    file = run / NOTES
    try:
        content: Any = json.loads(file.read_bytes())
    except FileNotFoundError:
        return RunNotes()
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read ({error}): correct it, or remove it.") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise ModelError(f"{file} is damaged: it must hold format, tags and note; correct it, or remove it.")
    if content["format"] != _FORMAT:
        raise ModelError(
            f"{file} has format {content['format']}, this release reads {_FORMAT}: pip install -U photograft"
        )
    tags, note = content.get("tags", []), content.get("note", "")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags) or not isinstance(note, str):
        raise ModelError(f"{file} is damaged: tags must be a list of texts, note a text; correct it, or remove it.")
    return RunNotes(tuple(tags), note)


def change_tags(run: Path, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> RunNotes:
    """Add tags to a run and take others from it; gives what it has then. One that it has or lacks already is no error.

    Raises:
        ConfigError: A tag is empty, too long or holds a comma or control characters, or the run cannot be written.
        ModelError: The file of tags is damaged.
    """
    added, removed = [_tag(each) for each in add], {_tag(each) for each in remove}

    def change(notes: RunNotes) -> RunNotes:
        tags = dict.fromkeys([*notes.tags, *added])
        return RunNotes(tuple(tag for tag in tags if tag not in removed), notes.note)

    return _change(run, change)


def set_note(run: Path, note: str) -> RunNotes:
    """Give a run this note in place of the one it has; an empty one takes it away.

    Raises:
        ConfigError: The run cannot be written.
        ModelError: The file of tags and note is damaged.
    """
    return _change(run, lambda notes: RunNotes(notes.tags, note.strip()))


def _change(run: Path, change: Callable[[RunNotes], RunNotes]) -> RunNotes:
    try:
        # Not the lock of the run: that is held for as long as it trains.
        with FileLock(run / f".{NOTES}.lock"):
            notes = change(read_notes(run))
            content = {"format": _FORMAT, **asdict(notes)}
            write_atomically(run / NOTES, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise ConfigError(f"{run / NOTES} cannot be written ({error}).") from error
    return notes


def _tag(text: str) -> str:
    tag = unicodedata.normalize("NFC", text.strip())
    if not tag or len(tag) > _LONGEST_TAG or "," in tag or not tag.isprintable():
        raise ConfigError(
            f"{text.strip()[:_LONGEST_TAG]!r} is no tag: a tag is a text of at most {_LONGEST_TAG} characters on one "
            "line, without commas."
        )
    return tag
