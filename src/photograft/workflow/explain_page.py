"""Explanations written down: as data, as a page, and as pictures in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from photograft.config import load_config
from photograft.data.files import printable
from photograft.errors import ConfigError
from photograft.inference.heat_maps import HeatMap
from photograft.models.bundle import find_bundle
from photograft.reporting.explain_page import ExplainPictures, render_explanations
from photograft.reporting.overlay import lay_over, overlay_png
from photograft.reporting.thumbnails import make_thumbnail
from photograft.tracking.atomic import write_atomically
from photograft.tracking.run_folder import name_stem, open_run, photos_root
from photograft.workflow.explain import Answer, Explanation, run_of
from photograft.workflow.language import page_language
from photograft.workflow.neighbours import open_neighbours
from photograft.workflow.thumbnails import draw_thumbnails
from photograft.workflow.untouched import require_outside

_SIDE_PX = 320
_TOP = 5


def check_places(html: Path | None, out: Path | None, given: Sequence[str]) -> None:
    """Refuse places that cannot be written, or lie among the photos, before any photo is explained.

    Raises:
        ConfigError: Of `--html` or `--out`.
    """
    folders = [Path(each) for each in given if Path(each).is_dir()]
    for option, path in (("--html", html), ("--out", out)):
        if path is not None:
            require_outside(path, folders, option=option)
    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        raise ConfigError(f"--html: {html} is a folder, or lies in none; give the name of a file in a folder.")
    if out is not None and any(Path(each).absolute().parent.resolve() == out.resolve() for each in given):
        raise ConfigError(f"--out: {out} holds the photos themselves; choose another folder.")
    if out is not None and out.exists() and not out.is_dir():
        raise ConfigError(f"--out: {out} is a file; choose a folder.")


def explanations_document(
    model: str | os.PathLike[str], explanations: Sequence[Explanation], *, files: Sequence[Sequence[str]] = ()
) -> dict[str, Any]:
    """The explanations as `photograft explain --json` prints them; `files` are the overlays that were written."""
    run = run_of(Path(model))
    return {
        "model": (run or find_bundle(Path(model))).name,
        "has_run": run is not None,
        "photos": [_document(each, files[i] if files else ()) for i, each in enumerate(explanations)],
    }


def write_explanations(
    file: Path, model: str | os.PathLike[str], explanations: Sequence[Explanation], *, language: str = "auto"
) -> None:
    """Write the page of the explanations, in "en", "ko" or the user's language."""
    run = run_of(Path(model))
    names = {near.name for each in explanations for near in each.neighbours}
    thumbnails: dict[str, bytes] = {}
    hidden = False
    if run is not None and names:
        config = load_config(run / "config.resolved.yaml")
        hidden = not config.report.thumbnails
        if not hidden:
            photos = open_neighbours(run).photos(names)
            thumbnails = draw_thumbnails(photos_root(open_run(run)), photos, config)
    pictures = [_pictures(each, thumbnails) for each in explanations]
    document = explanations_document(model, explanations)
    try:
        write_atomically(file, render_explanations(document, pictures, language=page_language(language), hidden=hidden))
    except OSError as error:
        raise ConfigError(f"--html: {file} cannot be written ({error}); give another file.") from error


def write_overlays(folder: Path, explanations: Sequence[Explanation]) -> list[list[str]]:
    """Write a PNG overlay per answer of every photo; gives their paths, photo by photo.

    Raises:
        ConfigError: The folder cannot be written.
    """
    written: list[list[str]] = []
    taken: set[str] = set()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in explanations:
            written.append([])
            for answer in each.answers:
                stem = name_stem(f"{Path(each.prediction.path).stem}-{answer.label}") or "photo"
                file = folder / f"{_free(stem, taken)}.png"
                assert each.pixels is not None
                png = overlay_png(each.pixels, answer.heat_map.heat_GG, width=each.width, height=each.height)
                write_atomically(file, png)
                written[-1].append(str(file))
    except OSError as error:
        raise ConfigError(f"--out: {folder} cannot be written ({error}); choose another folder.") from error
    return written


def _free(stem: str, taken: set[str]) -> str:
    """A name that no other photo's overlay has, also where the case of letters does not matter."""
    name, number = stem, 2
    while name.casefold() in taken:
        name, number = f"{stem}-{number}", number + 1
    taken.add(name.casefold())
    return name


def _document(explanation: Explanation, files: Sequence[str]) -> dict[str, Any]:
    prediction, known = explanation.prediction, explanation.known
    answers = [_answer(answer) for answer in explanation.answers]
    for answer, file in zip(answers, files, strict=False):
        answer["overlay"] = printable(file)
    document: dict[str, Any] = {
        "path": printable(prediction.path),
        "status": prediction.status,
        "label": prediction.label,
        "probability": prediction.probability,
        "top": [{"label": label, "probability": chance} for label, chance in prediction.top[:_TOP]],
        "answers": answers,
        "rival": None if explanation.rival is None else _answer(explanation.rival),
        "neighbours": [
            {"path": printable(n.name), "label": n.label, "part": n.part, "similarity": n.similarity}
            for n in explanation.neighbours
        ],
        "known": None if known is None else {"path": printable(known.name), "label": known.label, "part": known.part},
    }
    return document | ({"reason": prediction.reason} if prediction.status == "rejected" else {})


def _answer(answer: Answer) -> dict[str, Any]:
    heat_map, faith = answer.heat_map, answer.faith
    return {
        "factor": answer.factor,
        "label": answer.label,
        "probability": answer.probability,
        "method": heat_map.method,
        "share": heat_map.share if heat_map.method == "cam" else None,
        "place": heat_map.place,
        "stages": [{"side": side, "log_odds": value} for side, value in heat_map.stages],
        "faith": faith and {"before": faith.before, "marked": faith.marked, "other": faith.other},
    }


def _pictures(explanation: Explanation, thumbnails: dict[str, bytes]) -> ExplainPictures:
    pixels, shape = explanation.pixels, {"width": explanation.width, "height": explanation.height}
    if pixels is None:
        return ExplainPictures()

    def overlay(heat_map: HeatMap) -> bytes:
        return make_thumbnail(lay_over(pixels, heat_map.heat_GG), **shape, side=_SIDE_PX)

    return ExplainPictures(
        photo=make_thumbnail(pixels, **shape, side=_SIDE_PX),
        answers=tuple(overlay(answer.heat_map) for answer in explanation.answers),
        rival=b"" if explanation.rival is None else overlay(explanation.rival.heat_map),
        neighbours={printable(n.name): thumbnails[n.name] for n in explanation.neighbours if n.name in thumbnails},
    )
