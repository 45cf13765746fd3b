"""Check that a bundle predicts here what it predicted where it was made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from photograft.errors import IntegrityError
from photograft.inference.classifier import Classifier
from photograft.inference.golden import replay_golden
from photograft.models.bundle import check_files, find_bundle, read_bundle, unlisted_files


@dataclass(frozen=True)
class Verification:
    """What `verify` found: `ok` when every file is unchanged, none was added, and golden outputs agree to 1e-4."""

    bundle: Path
    n_files: int
    n_golden: int
    max_difference: float | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differed."""
        return not self.problems


def verify(path: str | os.PathLike[str]) -> Verification:
    """Check the hashes of a bundle's files, then replay its golden pictures through decoder, network and head.

    Raises:
        ModelError: if there is no bundle, or one of a format that this release does not read.
    """
    folder = find_bundle(Path(path))
    try:
        sums = check_files(folder)
    except IntegrityError as error:
        return Verification(folder, 0, 0, None, (str(error),))
    with Classifier(read_bundle(folder)) as classifier:
        n_golden, largest, problems = replay_golden(classifier)
    unlisted = [
        f"{name} is not listed in checksums.json: it is not of this bundle" for name in unlisted_files(folder, sums)
    ]
    return Verification(folder, len(sums), n_golden, largest, (*unlisted, *problems))
