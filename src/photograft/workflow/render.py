"""`report`: draw the page of a run again, from report.json and the photos that are still there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from photograft.config import load_config
from photograft.errors import ModelError
from photograft.reporting.clean import clean_text
from photograft.reporting.document import thumbnail_paths
from photograft.reporting.page import render_html
from photograft.reporting.records import read_manifest
from photograft.reporting.training import training_sections
from photograft.tracking.pretrained import refuse_pretrained
from photograft.tracking.run_folder import RunFolder, open_run
from photograft.workflow.members import member_folder
from photograft.workflow.thumbnails import draw_thumbnails

CONTACT_SHEET = "augmented.jpg"
"""The changed copies that a fine-tuned network saw, as one picture in the folder of the run, or of the member."""


def report(run: str | os.PathLike[str]) -> Path:
    """Render report.html of a finished run again; gives its path.

    Photos that were moved, changed or deleted since are shown without a picture, unless the cache still has it.
    """
    folder = open_run(Path(run))
    refuse_pretrained(folder.path)
    with folder.locked():
        return render_report(folder)


def render_report(run: RunFolder) -> Path:
    """Write report.html from the run's report.json."""
    try:
        document = json.loads(run.read("report.json"))
        root = Path(json.loads(run.read("run.json"))["photos"])
    except (ValueError, KeyError) as error:
        raise ModelError(f"{run.path}: report.json or run.json is damaged ({error}); train again.") from error
    config = load_config(run.path / "config.resolved.yaml")
    paths = thumbnail_paths(document) if config.report.thumbnails else ()
    # The report's names are made printable; the manifest has them as they are.
    photos = {clean_text(p.name): p for p in read_manifest((run.path / "manifest.csv").read_bytes(), root).photos}
    thumbnails = draw_thumbnails(root, {name: photos[name] for name in paths if name in photos}, config)
    return run.write("report.html", render_html(document, thumbnails=thumbnails, sheets=_sheets(run, document)))


def _sheets(run: RunFolder, document: Mapping[str, Any]) -> dict[str, bytes]:
    """The contact sheets that there are, by the member's name."""
    folders = {name: member_folder(run, name) if name else run for name in training_sections(document)}
    files = {name: folder.path / CONTACT_SHEET for name, folder in folders.items()}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}
