"""Photos asked of an index: the answers as data, as lines for the terminal, and as a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.data.files import printable
from photograft.errors import ConfigError, ImageRejected
from photograft.reporting.search_page import SearchPictures, render_answers
from photograft.reporting.thumbnails import make_thumbnail
from photograft.tracking.atomic import write_atomically
from photograft.workflow.language import page_language
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.search import Match, PhotoIndex
from photograft.workflow.untouched import require_outside

_SIDE_PX = 320


@dataclass(frozen=True)
class Question:
    """What is asked: about which photos, how many like each, among which, and whether only copies count."""

    photos: tuple[str, ...]
    top: int = 10
    label: str | None = None
    folder: str | None = None
    near_duplicates: bool = False


@dataclass(frozen=True)
class Answer:
    """The matches of a photo, and the photo as a thumbnail; or why it could not be used."""

    path: str
    matches: tuple[Match, ...] = ()
    reason: str = ""
    jpeg: bytes = b""


@dataclass(frozen=True)
class Answers:
    """The answers of an index to a question."""

    index: Path
    model: str
    n: int
    question: Question
    answers: tuple[Answer, ...]
    same_class: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """What `photograft search query --json` prints."""
        return {
            "index": printable(self.index),
            "model": printable(self.model),
            "n": self.n,
            "near_duplicates": self.question.near_duplicates,
            "label": self.question.label,
            "folder": None if self.question.folder is None else printable(self.question.folder),
            "same_class": self.same_class,
            "photos": [_answer_json(each) for each in self.answers],
        }


def ask(index: PhotoIndex, question: Question, *, narrator: Narrator | None = None) -> Answers:
    """Ask an index about photos; one that cannot be used is an answer that says why.

    Raises:
        ConfigError: No photo of the index has the label, or lies in the folder.
    """
    answers = []
    with (narrator or Silent()).progress(len(question.photos), "Searching") as progress:
        for path in question.photos:
            answers.append(_ask(index, path, question))
            progress.advance()
    same = index.same_class
    about = None if same is None else {name: getattr(same, name) for name in _SAID}
    return Answers(index.folder, index.info.network.model, index.n, question, tuple(answers), about)


def answer_lines(document: dict[str, Any]) -> list[str]:
    """The answers as `photograft search query` prints them: the photo, and below it a line for each match."""
    lines = []
    for photo in document["photos"]:
        lines.append(photo["path"])
        if photo["status"] == "rejected":
            lines.append(f"  rejected: {photo['reason']}")
        elif not photo["matches"]:
            lines.append("  no copy of it in the index" if document["near_duplicates"] else "  nothing like it")
        lines += [f"  {_match_line(match)}" for match in photo["matches"]]
    return lines


def write_page(
    file: Path, index: PhotoIndex, answers: Answers, *, given: Sequence[str] = (), language: str = "auto"
) -> None:
    """Write the answers as one page with the photos in it.

    Raises:
        ConfigError: The file cannot be written, or lies among the photos that were `given`.
    """
    require_outside(file, [Path(each) for each in given if Path(each).is_dir()], option="--html")
    pictures = [
        SearchPictures(each.jpeg, tuple(index.thumbnail(match.id) or b"" for match in each.matches))
        for each in answers.answers
    ]
    page = render_answers(answers.to_json(), pictures, language=page_language(language))
    if not file.parent.is_dir():
        raise ConfigError(f"--html: there is no folder {printable(file.parent)}; make it, or give another file.")
    try:
        write_atomically(file, page)
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"--html: {printable(file)} cannot be written ({why}); give another file.") from error


_SAID = ("prior", "n_photos", "n_queries", "n_classes", "precision_at_1", "auroc")


def _ask(index: PhotoIndex, path: str, question: Question) -> Answer:
    try:
        asked = index.look(path)
    except ImageRejected as rejected:
        return Answer(path, reason=str(rejected))
    search = index.copies if question.near_duplicates else index.matches
    matches = search(asked, top=question.top, label=question.label, folder=question.folder)
    jpeg = make_thumbnail(asked.pixels, width=asked.width, height=asked.height, side=_SIDE_PX)
    return Answer(path, tuple(matches), jpeg=jpeg)


def _answer_json(answer: Answer) -> dict[str, Any]:
    path = answer.path.encode("utf-8", "backslashreplace").decode()
    if answer.reason:
        return {"path": path, "status": "rejected", "reason": answer.reason, "matches": []}
    return {"path": path, "status": "ok", "matches": [_match_json(match) for match in answer.matches]}


def _match_json(match: Match) -> dict[str, Any]:
    return {
        "id": match.id,
        "path": _shown(match.path),
        "source": _shown(match.source),
        "label": match.label,
        "similarity": match.similarity,
        "same": match.same,
        "kind": match.kind,
        "others": [_shown(each) for each in match.others],
    }


def _match_line(match: dict[str, Any]) -> str:
    parts = [f"{match['similarity']:.3f}"]
    if match["same"] is not None:
        parts.append(f"same class {100 * match['same']:.0f} %")
    parts += [printable(match["path"]), *([printable(match["label"])] if match["label"] else [])]
    return "\t".join([*parts, *([match["kind"]] if match["kind"] else [])])


def _shown(name: str | os.PathLike[str]) -> str:
    return os.fspath(name).encode("utf-8", "backslashreplace").decode()
