"""The page in a real browser: it must fit a phone without scrolling sideways."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photograft.reporting.check_document import thumbnail_names
from photograft.reporting.check_page import render_check
from photograft.reporting.document import thumbnail_paths
from photograft.reporting.page import render_html
from photograft.reporting.preview import PreviewRow, render_preview
from photograft.reporting.study_page import render_study
from photograft.reporting.thumbnails import make_thumbnail
from photograft.values import Issue, Photo

from .check_examples import make_check
from .composite_examples import make_factor_report, make_labels_report
from .examples import make_report
from .study_examples import make_study
from .training_examples import make_members, make_training

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")]

PHONE_PX = 360
KINDS = ("label_conflict", "near_duplicate", "tiny", "an_unknown_kind")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
# The page itself allows no script, so a frame as wide as a phone measures it from outside.
FRAME = """<!DOCTYPE html><meta charset="utf-8"><iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"
onload="const d = this.contentDocument; document.body.dataset.width = d.documentElement.scrollWidth;
document.body.dataset.height = d.documentElement.scrollHeight;
document.body.dataset.pictures = [...d.images].filter(i => (i.loading = 'eager', i.src)).length"></iframe>"""


def run_chromium(page: Path, profile: Path, *flags: str) -> str:
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode("utf-8")


def draw_page(classes: tuple[str, ...], n: int) -> str:
    report = make_report(classes, n)
    grey = make_thumbnail(np.full((64, 64, 3), 128, np.uint8))
    page = render_html(report, thumbnails=dict.fromkeys(thumbnail_paths(report), grey))
    return page.replace("<details>", "<details open>")


@pytest.mark.parametrize(
    ("classes", "n"),
    [
        (("노란 튤립", "a_very_long_class_name_without_any_space_in_it_at_all", "<b>"), 150),
        (tuple(f"breed number {i:03}" for i in range(120)), 600),
    ],
    ids=["long names", "120 classes"],
)
def test_the_page_fits_a_phone(classes: tuple[str, ...], n: int, tmp_path: Path) -> None:
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=PHONE_PX, page=html.escape(draw_page(classes, n))), encoding="utf-8")
    dom = run_chromium(frame, tmp_path / "profile", "--dump-dom")
    measured = {name: int(value) for name, value in re.findall(r'data-(width|height|pictures)="(\d+)"', dom)}
    assert measured["width"] == PHONE_PX
    assert measured["height"] > 2000
    assert measured["pictures"] > 10


def draw_training() -> str:
    training = make_training()
    long = replace(training.summary.layers[0], name="features.denseblock4.denselayer16." * 3 + "conv2", kind="K" * 40)
    summary = replace(training.summary, cut="c" * 60, layers=(long, *training.summary.layers))
    report = make_report(("a", "b", "튤립"), 200, training=replace(training, summary=summary), language="ko")
    sheet = make_thumbnail(np.full((900, 1600, 3), 128, np.uint8), side=1600)
    grey = make_thumbnail(np.full((64, 64, 3), 128, np.uint8))
    page = render_html(report, thumbnails=dict.fromkeys(thumbnail_paths(report), grey), sheets={"": sheet})
    return page.replace("<details>", "<details open>")


def draw_check() -> str:
    names = ("노란 튤립", "a_very_long_class_name_without_any_space_in_it_at_all", "<script>alert(1)</script>")
    photos = [Photo(f"{names[i % 3]}/{'x' * i}.jpg", label=names[i % 3], width=640, height=480) for i in range(40)]
    issues = [Issue(kind, tuple(p.name for p in photos[i:]), "m" * 99, "r", i < 1) for i, kind in enumerate(KINDS)]
    document = make_check(issues, photos=photos, notes=("n" * 200,))
    grey = make_thumbnail(np.full((64, 64, 3), 128, np.uint8))
    return render_check(document, dict.fromkeys(thumbnail_names(document), grey))


def draw_preview() -> str:
    shapes = ((640, 480), (60, 900), (2000, 90), (500, 500))
    grey = make_thumbnail(np.full((64, 64, 3), 128, np.uint8))
    return render_preview(
        [PreviewRow("x" * 300, "튤립", (5, 5, w // 2, h // 2), w, h, "", grey, grey) for w, h in shapes]
        + [PreviewRow("y.jpg", "<b>", None, 64, 64, "the box is empty", grey, grey)]
    )


def draw_factors() -> str:
    report = make_factor_report()
    grey = make_thumbnail(np.full((64, 64, 3), 128, np.uint8))
    page = render_html(report, thumbnails=dict.fromkeys(thumbnail_paths(report), grey))
    return page.replace("<details>", "<details open>")


def draw_labels() -> str:
    report = make_labels_report(labels=("튤립", "a_very_long_class_name_without_any_space_in_it_at_all", "<b>", "x"))
    grey = make_thumbnail(np.full((64, 64, 3), 128, np.uint8))
    return render_html(report, thumbnails=dict.fromkeys(thumbnail_paths(report), grey))


def draw_members() -> str:
    report = make_factor_report(training=make_members(), language="ko")
    sheet = make_thumbnail(np.full((900, 1600, 3), 128, np.uint8), side=1600)
    grey = dict.fromkeys(thumbnail_paths(report), make_thumbnail(np.full((64, 64, 3), 128, np.uint8)))
    page = render_html(report, thumbnails=grey, sheets={"나이": sheet})
    return page.replace("<details>", "<details open>")


@pytest.mark.parametrize("draw", [draw_check, draw_preview, draw_training, draw_factors, draw_labels, draw_members])
def test_the_other_pages_fit_a_phone_and_nothing_is_refused(draw: Callable[[], str], tmp_path: Path) -> None:
    frame, page = tmp_path / "frame.html", tmp_path / "점검 1.html"
    page.write_text(draw(), encoding="utf-8")
    frame.write_text(FRAME.format(width=PHONE_PX, page=html.escape(draw())), encoding="utf-8")
    dom = run_chromium(frame, tmp_path / "profile", "--dump-dom")
    measured = {name: int(value) for name, value in re.findall(r'data-(width|height|pictures)="(\d+)"', dom)}
    assert measured["width"] == PHONE_PX
    assert measured["pictures"] >= 10
    assert read_console(page, tmp_path / "profile") == []


def test_a_study_fits_a_phone_and_nothing_is_refused(tmp_path: Path) -> None:
    frame, page = tmp_path / "frame.html", tmp_path / "study.html"
    sheet = make_thumbnail(np.full((200, 1600, 3), 128, np.uint8), side=1600)
    page.write_text(render_study(make_study(12, language="ko"), sheets={"p-pretrain": sheet}), encoding="utf-8")
    frame.write_text(FRAME.format(width=PHONE_PX, page=html.escape(page.read_text("utf-8"))), encoding="utf-8")
    dom = run_chromium(frame, tmp_path / "profile", "--dump-dom")
    assert f'data-width="{PHONE_PX}"' in dom
    assert read_console(page, tmp_path / "profile") == []


def test_what_the_browser_refuses_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(draw_preview().replace("<main>", "<main><script>1</script>"), encoding="utf-8")
    assert len(read_console(page, tmp_path / "profile")) == 1


def read_console(page: Path, profile: Path) -> list[str]:
    """Return what the browser has to complain about on a page."""
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--enable-logging=stderr", "--dump-dom", page.as_uri()]
    told = subprocess.run(command, capture_output=True, timeout=120, check=True).stderr.decode("utf-8", "replace")
    return [line for line in told.splitlines() if "CONSOLE" in line]


def test_the_page_is_drawn(tmp_path: Path) -> None:
    page, picture = tmp_path / "보고서 1.html", tmp_path / "page.png"
    page.write_text(draw_page(("a", "b", "튤립"), 150), encoding="utf-8")
    run_chromium(page, tmp_path / "profile", f"--screenshot={picture}", "--window-size=1280,1600")
    with Image.open(picture) as shot:
        assert shot.size == (1280, 1600)
        assert len(shot.convert("RGB").getcolors(1 << 24) or []) > 50
