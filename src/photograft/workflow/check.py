"""`check`: everything about photos and labels that can be known before training, without a network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from photograft.config import Config
from photograft.data.check import check as find_issues
from photograft.data.coverage import GROUPS_TO_FOLD
from photograft.data.duplicates import find_duplicates
from photograft.data.groups import join_groups
from photograft.data.split import drawn_shares
from photograft.errors import ConfigError
from photograft.reporting.check_document import build_check, thumbnail_names
from photograft.reporting.check_page import render_check
from photograft.reporting.clean import clean_text
from photograft.reporting.preview import PreviewRow, render_preview
from photograft.tracking.atomic import write_atomically
from photograft.values import Issue, Manifest, Photo
from photograft.workflow.clock import Clock
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.resolve import resolve_input
from photograft.workflow.source import Source, open_source, scan_source
from photograft.workflow.thumbnails import draw_thumbnails
from photograft.workflow.untouched import photo_folders, require_outside

ScanPhotos = Callable[[Source, Config, Clock, Narrator], Manifest]

_SHOWN = 60
"""Photos on a page that shows crops; those whose box cannot be used come first."""


def check(
    photos: str | os.PathLike[str],
    *,
    config: Config | None = None,
    html: str | os.PathLike[str] | None = None,
    preview: str | os.PathLike[str] | None = None,
    narrator: Narrator | None = None,
    scan_photos: ScanPhotos = scan_source,
) -> dict[str, Any]:
    """Check photos, labels and boxes; gives what `photograft check --json` prints. Nothing of them is changed.

    Args:
        photos: A folder, an archive, or a table of paths and labels.
        config: Settings, as `photograft.load_config` reads them.
        html: Write a page with pictures of every finding to this file.
        preview: Write a page that shows photos before and after cropping to this file.
        narrator: Told what happens; nobody by default.
        scan_photos: What reads the photos; this machine by default.

    Raises:
        ConfigError: A setting is wrong, or a page cannot be written.
        DataError: The source cannot be read at all: no classes, or a table or annotations with problems.
    """
    config, _ = resolve_input(config or Config())
    narrator, clock = narrator or Silent(), Clock()
    pages = [Path(page) for page in (html, preview) if page is not None]
    for page in pages:
        _check_writable(page)
    with open_source(Path(photos), config, clock, min_classes=1) as source:
        folders = photo_folders(Path(photos), source.listing)
        for option, file in (("--html", html), ("--preview", preview)):
            if file is not None:
                require_outside(Path(file), folders, option=option)
        manifest = scan_photos(source, config, clock, narrator)
    with clock.stage("compare"):
        duplicates = find_duplicates(manifest.usable.photos, max_bits=config.split.duplicate_bits)
    group_N = join_groups(manifest.usable, duplicates.group_N)
    needed = _needed_groups(manifest, config)
    found = find_issues(manifest, group_N=group_N, needed_groups=needed)
    issues = (*found, *duplicates.issues, *_nothing_to_tell_apart(manifest))
    document = build_check(manifest, issues, duplicates=duplicates, seconds=clock.seconds)
    if html is not None:
        shown = document | {"language": config.report.language}
        rows = {clean_text(photo.name): photo for photo in manifest.photos}  # as the document names them
        wanted = {name: rows[name] for name in thumbnail_names(document) if name in rows}
        write_atomically(Path(html), render_check(shown, draw_thumbnails(manifest.root, wanted, config)))
        narrator.say(f"Page: {html}")
    if preview is not None:
        write_atomically(
            Path(preview), render_preview(_preview_rows(manifest, config), language=config.report.language)
        )
        narrator.say(f"Preview: {preview}")
    return document


def _needed_groups(manifest: Manifest, config: Config) -> int:
    """How many independent groups of photos each class needs: one per part that is drawn, and two for the folds."""
    if manifest.given_parts or config.split.file is not None:
        return GROUPS_TO_FOLD
    return max(GROUPS_TO_FOLD, len(drawn_shares(len(manifest.usable.photos), config.split)))


def _nothing_to_tell_apart(manifest: Manifest) -> Iterable[Issue]:
    """An issue where training would stop because fewer than two classes have photos."""
    classes = manifest.usable.classes
    if len(classes) < 2:
        left = f"only the class {classes[0]} has photos" if classes else "no class has photos"
        message = f"{left} that can be used: there is nothing to tell apart"
        yield Issue("class_too_small", (), message, "Add photos of a second class.", must_fix=True)


def _check_writable(page: Path) -> None:
    if page.is_dir() or not page.parent.is_dir():
        raise ConfigError(f"{page} cannot be written: give the name of a file in a folder that exists.")


def _preview_rows(manifest: Manifest, config: Config) -> list[PreviewRow]:
    photos = _choose(manifest.usable.photos)
    crops = draw_thumbnails(manifest.root, {p.name: p for p in photos}, config)
    wholes = draw_thumbnails(manifest.root, {p.name: _whole(p) for p in photos}, config)
    return [
        PreviewRow(
            name=photo.name,
            label=", ".join(photo.all_labels),
            box=photo.box,
            width=photo.width,
            height=photo.height,
            problem=photo.box_problem,
            whole_jpeg=wholes[photo.name],
            crop_jpeg=crops[photo.name],
        )
        for photo in photos
        if photo.name in wholes and photo.name in crops
    ]


def _choose(photos: Sequence[Photo]) -> list[Photo]:
    """Photos whose box cannot be used, then photos spread evenly over all."""
    wrong = [photo for photo in photos if photo.box_problem][: _SHOWN // 2]
    others = [photo for photo in photos if not photo.box_problem]
    step = max(1, -(-len(others) // (_SHOWN - len(wrong))))
    return wrong + others[::step]


def _whole(photo: Photo) -> Photo:
    return replace(photo, box=None)
