"""`report`: draw the page of a run again, from report.json and the photos that are still there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from photograft.config import Config, load_config
from photograft.errors import DataError, ModelError
from photograft.reporting.clean import clean_text, clean_value
from photograft.reporting.document import thumbnail_paths
from photograft.reporting.page import render_html
from photograft.reporting.records import read_manifest
from photograft.reporting.robustness_section import say_robustness
from photograft.reporting.training import training_sections
from photograft.tracking.pretrained import open_trained
from photograft.tracking.run_folder import ROBUSTNESS, RunFolder
from photograft.values import Photo
from photograft.workflow.corrupted import draw_corrupted
from photograft.workflow.language import page_language
from photograft.workflow.members import member_folder
from photograft.workflow.mistake_maps import explain_mistakes
from photograft.workflow.narrator import Narrator
from photograft.workflow.robustness import run_robustness
from photograft.workflow.thumbnails import draw_thumbnails

CONTACT_SHEET = "augmented.jpg"
"""The changed copies that a fine-tuned network saw, as one picture in the folder of the run, or of the member."""


def report(
    run: str | os.PathLike[str],
    *,
    robustness_s: float | None = None,
    language: str | None = None,
    narrator: Narrator | None = None,
) -> Path:
    """Render report.html of a finished run again; gives its path.

    Photos that were moved, changed or deleted since are shown without a picture, unless the cache still has it. With
    `robustness_s` the model is first tried on worse photos, for about so many seconds. `language` is "en", "ko" or
    "auto" (the user's locale); by default what the run was trained with.
    """
    folder = open_trained(Path(run))
    with folder.locked():
        if robustness_s is not None:
            _try_worse_photos(folder, robustness_s, narrator)
        return render_report(folder, language=language)


def render_report(run: RunFolder, *, language: str | None = None) -> Path:
    """Write report.html from the run's report.json, in the language of the run's settings unless another is given."""
    document, root = _read(run)
    if (run.path / ROBUSTNESS).is_file():
        document["robustness"] = _read_robustness(run)
    config = load_config(run.path / "config.resolved.yaml")
    document["language"] = page_language(language or config.report.language)
    paths = thumbnail_paths(document) if config.report.thumbnails else ()
    # The report's names are made printable; the manifest has them as they are.
    photos = {clean_text(p.name): p for p in read_manifest((run.path / "manifest.csv").read_bytes(), root).photos}
    thumbnails = draw_thumbnails(root, {name: photos[name] for name in paths if name in photos}, config)
    worse = _worse(document, photos, root, config)
    whys = (
        explain_mistakes(run.path, _shown(document), photos, root, config) if paths and config.report.heat_maps else {}
    )
    html = render_html(document, thumbnails=thumbnails, sheets=_sheets(run, document), worse=worse, whys=whys)
    return run.write("report.html", html)


def _shown(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mistakes that the page shows."""
    return list(document["evaluations"][0]["mistakes"][: document["worst"]])


def _try_worse_photos(run: RunFolder, limit_s: float, narrator: Narrator | None) -> None:
    """Keep beside the sealed report what it says of worse photos: it takes the place of what `train` found."""
    document, root = _read(run)
    if not document["evaluations"]:
        raise DataError(f"{run.path}: no photo was judged, so there is none to make worse.")
    config, what = load_config(run.path / "config.resolved.yaml"), document["evaluations"][0]["what"]
    section = run_robustness(run, config, root=root, what=what, limit_s=limit_s, narrator=narrator)
    run.write_json(ROBUSTNESS, clean_value(section))


def _read(run: RunFolder) -> tuple[dict[str, Any], Path]:
    """The report as data, and where the photos are, or were."""
    try:
        return json.loads(run.read("report.json")), Path(json.loads(run.read("run.json"))["photos"])
    except (ValueError, KeyError) as error:
        raise ModelError(f"{run.path}: report.json or run.json is damaged ({error}); train again.") from error


def _read_robustness(run: RunFolder) -> dict[str, Any]:
    try:
        section: dict[str, Any] = json.loads(run.read(ROBUSTNESS))
        say_robustness(section)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{run.path / ROBUSTNESS} is damaged ({error!r}): delete it.") from error
    return section


def _worse(document: Mapping[str, Any], photos: Mapping[str, Photo], root: Path, config: Config) -> dict[str, bytes]:
    """One photo made worse, where the report speaks of one and pictures are wanted."""
    path = document.get("robustness", {}).get("example", {}).get("path")
    return draw_corrupted(root, photos[path], config) if path in photos and config.report.thumbnails else {}


def _sheets(run: RunFolder, document: Mapping[str, Any]) -> dict[str, bytes]:
    """The contact sheets that there are, by the member's name."""
    folders = {name: member_folder(run, name) if name else run for name in training_sections(document)}
    files = {name: folder.path / CONTACT_SHEET for name, folder in folders.items()}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}
