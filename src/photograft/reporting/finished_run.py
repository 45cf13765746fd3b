"""What the folder of a finished run holds, read back for comparing it with others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from photograft.config.document import DocumentProblem, read_file
from photograft.config.names import dotted_values
from photograft.config.settings import Config
from photograft.config.written import as_document
from photograft.data.changes import Places
from photograft.data.csv_text import read_table
from photograft.errors import ModelError
from photograft.reporting.records import read_manifest
from photograft.tracking.pretrained import open_trained
from photograft.values import Manifest

ASKED = "config.yaml"


@dataclass(frozen=True)
class FinishedRun:
    """A run that was trained: its folder, `report` (report.json) and `record` (run.json).

    `name` is what it is called beside the others.
    """

    path: Path
    name: str
    report: Mapping[str, Any]
    record: Mapping[str, Any]

    @property
    def headline(self) -> Mapping[str, Any]:
        """The evaluation that the score is of."""
        headline: Mapping[str, Any] = self.report["evaluations"][0]
        return headline

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Every setting as it was used, by its dotted name; what the run's release did not know has its default."""
        defaults = dict(dotted_values(as_document(Config())))
        return defaults | dict(dotted_values(self.report["settings"]))

    @cached_property
    def asked(self) -> dict[str, Any]:
        """Every setting as it was asked for; empty where that is not known."""
        try:
            given, _ = read_file(self.path / ASKED)
        except (OSError, DocumentProblem):
            return {}
        return {each.name: each.value for each in given}

    @cached_property
    def manifest(self) -> Manifest:
        """The photos. Raises ModelError where the table is damaged or gone."""
        root = Path(str(self.record.get("photos", self.path)))
        try:
            return read_manifest((self.path / "manifest.csv").read_bytes(), root)
        except (OSError, KeyError, ValueError) as error:
            raise self._damaged(error) from error

    @cached_property
    def places(self) -> Places:
        """Part and fold of every usable photo. Raises ModelError where the table is damaged or gone."""
        try:
            rows = read_table((self.path / "splits.csv").read_bytes())
            return {row["path"]: (row["part"], row["fold"]) for row in rows}
        except (OSError, KeyError, ValueError) as error:
            raise self._damaged(error) from error

    @cached_property
    def bundle(self) -> Mapping[str, Any]:
        """The description of the model; empty where the model was removed."""
        try:
            described = json.loads((self.path / "model" / "bundle.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return described if isinstance(described, Mapping) else {}

    def _damaged(self, error: Exception) -> ModelError:
        return ModelError(f"{self.path}: its tables are damaged ({error!r}): copy the run again, or train again.")


def read_finished_run(path: Path, *, name: str | None = None) -> FinishedRun:
    """Read a run's folder.

    Args:
        path: The folder.
        name: What the run is called; by default as its folder.

    Raises:
        ModelError: The folder is no run, its run is not finished, was pretrained without labels, or is damaged.
    """
    folder = open_trained(path)
    try:
        report, record = json.loads(folder.read("report.json")), json.loads(folder.read("run.json"))
        run = FinishedRun(path, name or path.name, report, record)
        _ = run.headline["scores"]["n"], run.report["settings"], run.record["versions"]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelError(f"{path}: report.json or run.json is damaged ({error!r}): train it again.") from error
    return run
