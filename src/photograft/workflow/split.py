"""`split`: parts and folds as a table of their own, written or checked without a network."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photograft.config import Config
from photograft.data.duplicates import find_duplicates
from photograft.data.given_split import check_splits, read_splits
from photograft.data.scan import check_bad_fraction
from photograft.data.targets import divide, find_targets
from photograft.errors import ConfigError
from photograft.reporting.clean import clean_text
from photograft.reporting.records import splits_csv
from photograft.tracking.atomic import write_atomically
from photograft.values import Issue, Manifest, Splits
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Narrator, Silent, say_notes
from photograft.workflow.resolve import resolve_input
from photograft.workflow.source import open_source, scan_source
from photograft.workflow.untouched import photo_folders, require_outside


@dataclass(frozen=True)
class SplitDone:
    """A table of parts and folds, and what is wrong with it."""

    file: Path
    manifest: Manifest
    splits: Splits
    issues: tuple[Issue, ...]

    def to_json(self) -> dict[str, Any]:
        """As `photograft split --json` prints it."""
        return {
            "file": str(self.file),
            "photos": len(self.splits.part_N),
            "parts": {part or "left out": n for part, n in self._parts().items()},
            "folds": self.splits.n_folds,
            "repeats": len(self.splits.repeats_RN) + 1,
            "groups": len(set(self.splits.group_N.tolist())),
            "leaked": int(self.splits.leaked_N.sum()),
            "statement": self.splits.statement,
            "issues": [
                {"kind": i.kind, "message": clean_text(i.message), "remedy": i.remedy, "must_fix": i.must_fix}
                | {"paths": [clean_text(path) for path in i.paths]}
                for i in self.issues
            ],
        }

    def lines(self) -> list[str]:
        """The same for people."""
        splits = self.splits
        parts = ", ".join(f"{n:,} {part or 'left out'}" for part, n in self._parts().items())
        repeats = f", drawn {len(splits.repeats_RN) + 1} times" if len(splits.repeats_RN) else ""
        lines = [f"{self.file}: {parts}; {splits.n_folds} folds{repeats}", splits.statement]
        lines += [f"{'must fix: ' if i.must_fix else ''}{i.message} {i.remedy}".rstrip() for i in self.issues]
        return lines

    def _parts(self) -> dict[str, int]:
        return dict(Counter(self.splits.part_N.tolist()).most_common())


def split(
    photos: str | os.PathLike[str],
    out: str | os.PathLike[str] = "splits.csv",
    *,
    config: Config | None = None,
    force: bool = False,
    narrator: Narrator | None = None,
) -> SplitDone:
    """Divide the photos into parts and folds, and write the table; `split.file` gives it back, edited or not.

    Without a network every pair of photos whose hashes nearly agree counts as duplicates: no fewer than `train` finds.

    Raises:
        ConfigError: The file is there already, or lies where it cannot be written, or split.file is set.
        DataError: The photos need attention, or a class has too few independent photos for what is asked.
    """
    out, config = Path(out), config or Config()
    if config.split.file is not None:
        raise ConfigError(
            f"split.file: {config.split.file} already says the parts, and split would draw them anew: look at it with "
            "--check, or leave split.file out."
        )
    if out.exists() and not force:
        raise ConfigError(f"--out: {out} is there already; add --force to overwrite it, or choose another file.")
    if not out.parent.is_dir():
        raise ConfigError(f"--out: the folder {out.parent} does not exist; make it first, or choose another file.")
    manifest = _scan(photos, config, narrator or Silent(), out)
    usable = manifest.usable
    duplicates = find_duplicates(usable.photos, max_bits=config.split.duplicate_bits)
    targets = find_targets(usable.classes, config, several=any(photo.labels for photo in usable.photos))
    splits = divide(usable, duplicates.group_N, targets, config.split, group_column=config.data.labels.group)
    write_atomically(out, splits_csv(manifest, splits))
    return SplitDone(out, manifest, splits, tuple(i for i in duplicates.issues if i.must_fix))


def check_split(
    photos: str | os.PathLike[str],
    file: str | os.PathLike[str],
    *,
    config: Config | None = None,
    narrator: Narrator | None = None,
) -> SplitDone:
    """Read a table of parts and folds as `train` would, and say what is wrong with it.

    Raises:
        DataError: The table cannot be read or used: every problem with its line.
    """
    config = config or Config()
    manifest = _scan(photos, config, narrator or Silent())
    usable = manifest.usable
    duplicates = find_duplicates(usable.photos, max_bits=config.split.duplicate_bits)
    group = config.data.labels.group
    splits = read_splits(Path(file), usable, duplicates.group_N, config.split, group_column=group)
    return SplitDone(Path(file), manifest, splits, check_splits(usable, splits, group_column=group))


def _scan(photos: str | os.PathLike[str], config: Config, narrator: Narrator, out: Path | None = None) -> Manifest:
    config, _ = resolve_input(config)
    clock = Clock()
    with open_source(Path(photos), config, clock) as source:
        if out is not None:
            require_outside(out, photo_folders(Path(photos), source.listing), option="--out")
        manifest = scan_source(source, config, clock, narrator)
    say_notes(manifest.notes, narrator)
    check_bad_fraction(manifest.photos, max_bad_fraction=config.data.max_bad_fraction)
    return manifest
