"""A run in one row: what was trained on what, and what it came to, read from its folder."""

from __future__ import annotations

import datetime
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from photograft.config.document import DocumentProblem, read_file
from photograft.config.names import dotted_name, dotted_values
from photograft.errors import PhotograftError
from photograft.tracking.run_folder import STARTED, RunFolder
from photograft.tracking.run_notes import read_notes

Status = Literal["finished", "unfinished", "running", "damaged"]
Kind = Literal["train", "pretrain"]

_SCORES = ("n", "accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy", "macro_f1", "log_loss", "ece")
_CHECKED = ("config.resolved.yaml", "report.json", "run.json")


@dataclass(frozen=True)
class RunRow:
    """One run. What is not known of it is None.

    `run` is its place in the runs folder, with the study before it where it belongs to one. `judged` says what the
    scores rest on: "test", "out-of-fold", "validation"; of pretraining, whose `mse` is that of the photos held out,
    "held out". `problem` says in words why a run is damaged, or how an unfinished one goes on. `settings` are all
    settings by dotted name, and are not filled unless they are asked for.
    """

    run: str
    status: Status
    kind: Kind = "train"
    problem: str = ""
    study: str | None = None
    created: str | None = None
    data: str | None = None
    source: str | None = None
    data_sha256: str | None = None
    photos: int | None = None
    classes: int | None = None
    judged: str | None = None
    n: int | None = None
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    log_loss: float | None = None
    ece: float | None = None
    mse: float | None = None
    backbone: str | None = None
    graft: str | None = None
    px: str | None = None
    quality: str | None = None
    minutes: float | None = None
    version: str | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    settings: Mapping[str, Any] | None = None


def read_row(folder: Path, place: tuple[str, ...]) -> RunRow:
    """Read a run, whatever state it is in, with its settings. `place` are the names that lead to it."""
    row = RunRow(run="/".join(place), status="damaged", study=place[0] if len(place) > 1 else None)
    try:
        notes = read_notes(folder)
        row = replace(row, tags=notes.tags, note=notes.note)
        damaged_notes = ""
    except PhotograftError as error:
        damaged_notes = str(error)
    row = _read_unfinished(folder, row) if _is_unfinished(folder) else _read_finished(folder, row)
    return replace(row, problem=row.problem or damaged_notes)


def read_settings(file: Path) -> dict[str, Any]:
    """The settings of a file by dotted name, without a check: it may be of another release. None of a damaged one."""
    try:
        given, _ = read_file(file)
    except DocumentProblem:
        return {}
    return {dotted_name(each.path): each.value for each in given}


def _is_unfinished(folder: Path) -> bool:
    if (folder / STARTED).exists():
        return True
    return not (folder / "report.json").exists() and not (folder / "checksums.json").exists()


def _read_unfinished(folder: Path, row: RunRow) -> RunRow:
    settings = read_settings(folder / "config.resolved.yaml")
    row = replace(
        row,
        status="unfinished",
        problem="stopped before it could go on later: train it again",
        created=_time_of(folder),
        settings=settings,
        backbone=_text(settings.get("model.backbone")),
        graft=_text(settings.get("model.graft")),
        px=_text(settings.get("input.px")),
        quality=_text(settings.get("quality")),
    )
    try:
        started: Any = json.loads((folder / STARTED).read_bytes())
        verb: Kind = "pretrain" if started.get("verb") == "pretrain" else "train"
        source, made_with = str(started["photos"]), started["versions"]["photograft"]
    except FileNotFoundError:
        return row
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return replace(row, status="damaged", problem=f"{STARTED} is damaged")
    return replace(
        row,
        kind=verb,
        problem=f"stopped: photograft {verb} --resume {shlex.quote(str(folder))}",
        source=source,
        data=Path(source).name,
        data_sha256=started.get("data_sha256"),
        version=_text(made_with),
    )


def _read_finished(folder: Path, row: RunRow) -> RunRow:
    """A row with nothing of it but its name where a file was changed or is damaged: changed numbers are not shown."""
    row = replace(row, created=_time_of(folder))
    try:
        run = RunFolder(folder)
        run.check(*_CHECKED)
        report, origin = json.loads(run.read("report.json")), json.loads(run.read("run.json"))
        row = _with_origin(row, report, origin)
        return _pretrained(row, report) if row.kind == "pretrain" else _trained(row, report)
    except PhotograftError as error:
        return replace(row, problem=str(error))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return replace(row, problem=f"report.json or run.json is damaged ({type(error).__name__}: {error})")


def _with_origin(row: RunRow, report: Mapping[str, Any], origin: Mapping[str, Any]) -> RunRow:
    settings = dict(dotted_values(report["settings"]))
    return replace(
        row,
        status="finished",
        kind="pretrain" if report.get("kind") == "pretrain" else "train",
        created=origin.get("created") or report.get("created") or row.created,
        data=Path(origin["photos"]).name or origin["photos"],
        source=origin["photos"],
        data_sha256=origin.get("data_sha256"),
        quality=_text(settings.get("quality")),
        minutes=round(sum(origin.get("seconds", {}).values()) / 60, 2),
        version=origin.get("versions", {}).get("photograft"),
        settings=settings,
    )


def _trained(row: RunRow, report: Mapping[str, Any]) -> RunRow:
    headline, model = report["evaluations"][0], report["model"]
    return replace(
        row,
        photos=report["photos"]["used"],
        classes=len(headline["classes"]),
        judged=headline["what"],
        **{name: headline["scores"].get(name) for name in _SCORES},
        backbone=_text(model["backbone"]),
        graft=_text(model["graft"]),
        px=_text(model["px"]),
    )


def _pretrained(row: RunRow, report: Mapping[str, Any]) -> RunRow:
    photos = report["photos"]
    return replace(
        row,
        photos=photos["train"] + photos["held_out"],
        judged="held out",
        n=photos["held_out"],
        mse=report["errors"]["model"]["mse"],
        backbone=_text(report["backbone"]),
        graft=_text(report["settings"]["model"]["graft"]),
        px=_text(report["px"]),
    )


def _time_of(folder: Path) -> str | None:
    """When the folder was last changed, for runs that do not say when they were made."""
    for file in ("run.json", STARTED, "config.resolved.yaml", ""):
        try:
            seconds = (folder / file).stat().st_mtime
        except OSError:
            continue
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
    return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
