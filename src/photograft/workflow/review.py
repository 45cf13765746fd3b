"""`review`: doubtful labels of a finished run, worst first, and decisions on them written into a journal of edits.

A decision is a row of the journal, written when it is taken; nothing else is kept, so that another session, or another
page at the same time, knows all of them. How decisions are remembered: docs/decisions/0025-review.md.
"""

from __future__ import annotations

import json
import os
import shlex
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from photograft.config import Config, load_config
from photograft.data.edits import Edit, append_edit, read_edits, undo_edit
from photograft.data.files import printable
from photograft.errors import ConfigError, DataError, ModelError
from photograft.tracking.pretrained import open_trained
from photograft.tracking.run_folder import RunFolder, photos_root
from photograft.values import Manifest
from photograft.workflow.review_queue import Queue, QueueItem, photo_places, read_queue
from photograft.workflow.untouched import require_outside

JOURNAL = "edits.csv"
_NOTE = "review"
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a photo: keep, relabel or exclude; `labels` are its labels by it.

    `line` is that of the row to undo, 0 where the run was trained with the row, so that it is not this review's.
    """

    action: str
    labels: tuple[str, ...]
    line: int


class Review:
    """The queue of a run and the journal of its decisions. Methods may be called from several threads."""

    def __init__(self, run: RunFolder, config: Config, queue: Queue, journal: Path) -> None:
        self.run, self.config, self.queue, self.journal = run, config, queue, journal
        self._lock = threading.Lock()

    @property
    def manifest(self) -> Manifest:
        """The photos of the run."""
        return self.queue.manifest

    def decisions(self) -> dict[str, Decision]:
        """What has been decided about the photos of the queue, by their names."""
        rows: dict[str, list[Edit]] = {}
        for edit in self._rows():
            rows.setdefault(edit.sha256, []).append(edit)
        found = {item.photo.name: _decision(item, rows.get(item.photo.sha256, ())) for item in self.queue.items}
        return {name: decision for name, decision in found.items() if decision is not None}

    def decide(self, name: str, action: str, labels: Sequence[str] = ()) -> Decision | None:
        """Write a decision on a photo of the queue into the journal; gives what now holds.

        A later decision wins over an earlier one, and one that holds already is not written again. To keep a label
        undoes rows that changed it.

        Raises:
            ConfigError: The action or the labels are not possible.
            DataError: The journal cannot be written, or has problems.
        """
        item, labels = self._item(name), tuple(label.strip() for label in labels)
        if action not in ("keep", "relabel", "exclude"):
            raise ConfigError(f"{action!r} is no decision: keep, relabel or exclude.")
        if action == "relabel":
            self._check_labels(labels)
            if set(labels) == set(item.labels):
                action = "keep"
        with self._lock:
            if action != "exclude":
                self._clear(item, "exclude", *(("relabel",) if action == "keep" else ()))
            held = self._decision(item)
            if held and held.action == action and (action != "relabel" or held.labels == labels):
                return held
            value = "" if action == "exclude" else _value(labels if action == "relabel" else item.labels, item)
            photo = item.photo
            append_edit(
                self.journal, action, photo.sha256, path=photo.path, value=value, note=_NOTE, number=photo.object
            )
            return self._decision(item)

    def undo(self, name: str) -> Decision | None:
        """Undo the decision on a photo of the queue; gives what now holds, which may be an earlier decision.

        Raises:
            DataError: The journal cannot be written, or has problems.
        """
        item = self._item(name)
        with self._lock:
            decision = self._decision(item)
            if decision and decision.line:
                undo_edit(self.journal, decision.line)
            return self._decision(item)

    def counts(self) -> dict[str, int]:
        """Number of photos of the queue kept, relabelled, excluded and open."""
        counts = Counter(decision.action for decision in self.decisions().values())
        return {
            "kept": counts["keep"],
            "relabelled": counts["relabel"],
            "excluded": counts["exclude"],
            "open": len(self.queue.items) - counts.total(),
        }

    def commands(self) -> list[str]:
        """What to type next: train again on the same division of the photos, and compare."""
        folder = self.run.path
        asked = "config.yaml" if (folder / "config.yaml").is_file() else "config.resolved.yaml"
        train = ["photograft", "train", str(_source(self.run)), "--config", str(folder / asked)]
        train += ["--edits", _shown(self.journal), "--set", f"split.file={folder / 'splits.csv'}"]
        # Relabelled photos are judged by other labels than before: the pair is compared on all others.
        compare = f"photograft runs compare {printable(shlex.quote(str(folder)))} NEW_RUN --shared"
        return [printable(shlex.join(train)), compare]

    def _item(self, name: str) -> QueueItem:
        try:
            return self.queue.by_name[name]
        except KeyError:
            raise ConfigError(f"{printable(name)} is not among the photos of this review.") from None

    def _rows(self) -> list[Edit]:
        if not self.journal.exists() or not self.journal.stat().st_size:
            return []
        return [edit for edit in read_edits(self.journal).for_classes(self.queue.classes).rows if edit.in_force]

    def _decision(self, item: QueueItem) -> Decision | None:
        return _decision(item, [edit for edit in self._rows() if edit.sha256 == item.photo.sha256])

    def _clear(self, item: QueueItem, *actions: str) -> None:
        while (held := self._decision(item)) is not None and held.line and held.action in actions:
            undo_edit(self.journal, held.line)

    def _check_labels(self, labels: tuple[str, ...]) -> None:
        if not labels and not self.queue.several:
            raise ConfigError("To relabel a photo takes the new label.")
        for label in labels:
            if not label or len(label) > _LONGEST_NAME or not label.isprintable():
                raise ConfigError(f"{printable(label)[:50]!r} cannot be the name of a class.")
        if not labels:
            raise ConfigError("A photo needs at least one label: exclude it instead.")
        if len(labels) > 1 and not self.queue.several:
            raise ConfigError("Photos of this run have one label each.")


def open_review(
    run: str | os.PathLike[str], *, edits: str | os.PathLike[str] | None = None, limit: int | None = None
) -> Review:
    """Open the doubtful labels of a finished run, worst first, for decisions.

    Args:
        run: The folder of the run.
        edits: The journal for decisions. By default that of the run's `data.edits`, else edits.csv beside the folder
            of runs.
        limit: Look at this many photos. By default at all whose label is probably wrong or contradicts that of a copy.

    Raises:
        ConfigError: The journal would lie among the photos, or where nothing can be written.
        DataError: The journal has problems.
        ModelError: The folder is no finished run of `train`, or its tables are damaged.
    """
    folder = open_trained(Path(run))
    config = load_config(folder.path / "config.resolved.yaml")
    try:
        queue = read_queue(folder, photos_root(folder), limit=limit)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise ModelError(f"{folder.path}: its tables are damaged ({error!r}): train it again.") from error
    journal = _find_journal(folder, config, edits)
    _check_journal(journal, queue.manifest)
    review = Review(folder, config, queue, journal)
    review.decisions()  # a journal that is refused when it is applied is refused before the first decision
    return review


def _find_journal(run: RunFolder, config: Config, edits: str | os.PathLike[str] | None) -> Path:
    if edits is not None:
        return Path(edits)
    beside = run.path.resolve().parent.parent
    if config.data.edits is None:
        return beside / JOURNAL
    for journal in (config.data.edits, beside / config.data.edits):
        if journal.is_file():
            return journal
    raise DataError(
        f"{run.path} was trained with the journal {printable(config.data.edits)}, which is not there: give it with "
        "--edits, or start another one there."
    )


def _check_journal(journal: Path, manifest: Manifest) -> None:
    if not journal.parent.is_dir():
        raise ConfigError(f"--edits: the folder {printable(journal.parent)} does not exist; make it first.")
    require_outside(journal, photo_places(manifest), option="--edits")
    if journal.exists() and not journal.is_file():
        raise ConfigError(f"--edits: {printable(journal)} is no file; choose another place with --edits.")
    if not os.access(journal if journal.exists() else journal.parent, os.W_OK):
        raise ConfigError(f"--edits: {printable(journal)} cannot be written; choose another place with --edits.")


def _decision(item: QueueItem, rows: Sequence[Edit]) -> Decision | None:
    """What the rows in force about a photo's content come to; None where nobody has decided."""
    excluded, said = None, None
    for edit in rows:
        if edit.object not in (0, item.photo.object):
            continue
        if edit.action in ("exclude", "include"):
            excluded = edit if edit.action == "exclude" else None
        elif edit.action == "relabel" or (edit.action == "keep" and _is_of(item, edit)):
            said = edit
    if excluded is not None:
        return Decision("exclude", (), excluded.line)
    if said is None:
        return None
    if said.action == "keep":
        return Decision("keep", item.labels, said.line)
    labels = _labels(said.value, item)
    if set(labels) == set(item.labels):  # the run was trained with it: somebody has decided, before
        return Decision("keep", item.labels, 0)
    return Decision("relabel", labels, said.line)


def _is_of(item: QueueItem, keep: Edit) -> bool:
    """Whether the label that was kept is still that of the photo."""
    return not keep.value or set(_labels(keep.value, item)) == set(item.labels)


def _labels(value: str, item: QueueItem) -> tuple[str, ...]:
    if not item.several:
        return (item.as_class(value),)
    listed = json.loads(value) if value.startswith("[") else value.split(";")
    return tuple(item.as_class(str(each).strip()) for each in listed if str(each).strip())


def _value(labels: Sequence[str], item: QueueItem) -> str:
    return json.dumps(list(labels), ensure_ascii=False) if item.several else labels[0]


def _source(run: RunFolder) -> Path:
    """What `train` was given: the folder of the photos, an archive, or the table that its command line names."""
    root = photos_root(run)
    words = str(json.loads(run.read("run.json")).get("command", "")).partition(" train ")[2].partition(" --")[0].strip()
    with suppress(ValueError):  # older runs have their commands without quotes
        words = " ".join(shlex.split(words)) if "'" in words else words
    if words and not words.startswith("-") and (table := Path(words)).is_file() and table != root:
        return table
    return root


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)
