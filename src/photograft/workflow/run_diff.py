"""`runs diff`: what changed from one run to another, and what it did."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from photograft.errors import ConfigError
from photograft.reporting.diff_document import build_diff
from photograft.reporting.diff_lines import diff_lines
from photograft.reporting.finished_run import read_finished_run
from photograft.reporting.run_names import name_runs
from photograft.workflow.runs import RUNS_DIR, find_run


@dataclass(frozen=True)
class RunDiff:
    """What changed between two runs in model, parameters, data, versions and code, and what it did."""

    document: Mapping[str, Any]

    @property
    def same(self) -> bool:
        """Whether nothing changed that a model is made from."""
        return bool(self.document["same"])

    def lines(self) -> list[str]:
        """As `photograft runs diff` prints it."""
        return diff_lines(self.document)

    def to_json(self) -> dict[str, Any]:
        """As `photograft runs diff --json` prints it."""
        return dict(self.document)


def diff_runs(
    before: str | os.PathLike[str], after: str | os.PathLike[str], *, runs_dir: str | os.PathLike[str] = RUNS_DIR
) -> RunDiff:
    """Say what changed from one finished run to another, and what it did to the score and to each class.

    The score and the classes are compared on the photos that both judged without having seen them.

    Args:
        before: The folder of a run, its name in `runs_dir`, or the beginning of it.
        after: Another run.
        runs_dir: Where runs are looked for by name.

    Raises:
        ConfigError: There is no such run, or both are the same.
        ModelError: A run is not finished, was pretrained without labels, or is damaged.
    """
    paths = [find_run(run, runs_dir) for run in (before, after)]
    if paths[0].resolve() == paths[1].resolve():
        raise ConfigError(f"{paths[0]} is given twice: give two runs.")
    one, other = (read_finished_run(path, name=name) for path, name in zip(paths, name_runs(paths), strict=True))
    return RunDiff(build_diff(one, other))
