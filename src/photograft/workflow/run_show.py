"""One run as a document, and runs as rows, for the terminal, for machines and for spreadsheets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from photograft.config import Config
from photograft.config.names import dotted_name
from photograft.config.tree import leaves
from photograft.data.files import printable
from photograft.errors import ConfigError
from photograft.reporting.clean import clean_value
from photograft.reporting.run_lines import run_lines as run_lines
from photograft.reporting.runs_table import runs_csv
from photograft.reporting.runs_table import runs_lines as runs_lines
from photograft.tracking.atomic import write_atomically
from photograft.tracking.disk import disk_use
from photograft.tracking.run_places import is_held
from photograft.tracking.run_row import RunRow, read_row, read_settings

_FROM_REPORT = ("summary", "next_steps", "warnings", "reasons")
_FROM_RECORD = ("command", "git", "versions", "seconds")


def show_run(run: Path) -> dict[str, Any]:
    """What is known of a run, as `photograft runs show --json` prints it.

    Beside the row there are `folder`, all `settings`, those that were `given` and are not the default, why others are
    what they are, what the report says in words, with what and in what time it was made, and its bytes on disk, of
    which `shared_bytes` are linked from elsewhere too. Of a run that is unfinished or damaged, what there is.
    """
    row = read_row(run, (run.name,))
    report, record = _read(run / "report.json"), _read(run / "run.json")
    if row.status != "finished":
        report = {}
    state = "running" if row.status == "unfinished" and is_held(run) else row.status
    use = disk_use([run])
    document: dict[str, Any] = clean_value(
        {
            **row_json(row),
            "status": state,
            "folder": os.fspath(run.absolute()),
            "settings": dict(row.settings or {}),
            "given": _given(run),
            **{name: report.get(name) or ({} if name == "reasons" else []) for name in _FROM_REPORT},
            **{name: record.get(name) or ("" if name == "command" else {}) for name in _FROM_RECORD},
            "bytes": use.total,
            "shared_bytes": use.total - use.freed,
        }
    )
    return document


def row_json(row: RunRow, *, settings: Sequence[str] = ()) -> dict[str, Any]:
    """A run as `photograft runs list --json` prints it, with the settings that are named."""
    document: dict[str, Any] = asdict(row)
    known = document.pop("settings") or {}
    if settings:
        document["settings"] = {name: known.get(name) for name in settings}
    cleaned: dict[str, Any] = clean_value(document)
    return cleaned


def write_runs_csv(file: Path, rows: Sequence[RunRow]) -> None:
    """Write runs as a table for spreadsheets, with the settings in which they differ.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        write_atomically(file, runs_csv(rows))
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"--csv: {printable(file)} cannot be written ({reason}); give another file.") from error


def _given(run: Path) -> dict[str, Any]:
    """The settings that were given and are not the default of this release."""
    defaults = {dotted_name(path): value for path, value in leaves(Config())}
    given = read_settings(run / "config.yaml")
    return {name: value for name, value in given.items() if name not in defaults or _differs(value, defaults[name])}


def _differs(value: Any, default: Any) -> bool:
    return json.dumps(value, default=str) != json.dumps(default, default=str)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
