from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageFont

from photograft.reporting.confusion_png import confusion_png, has_glyphs
from photograft.reporting.figures import confusion_svg, reliability_svg
from photograft.reporting.thumbnails import make_thumbnail

SVG = "{http://www.w3.org/2000/svg}"


def draw_confusion(k: int) -> np.ndarray:
    return np.eye(k, dtype=np.int64) * 9 + np.roll(np.eye(k, dtype=np.int64), 1, axis=1)


@pytest.mark.parametrize("k", [1, 2, 12, 30, 31, 120])
def test_the_map_is_valid_svg_with_a_title_per_filled_cell(k: int) -> None:
    names = [f"<class & {i}> 튤립\x01" for i in range(k)]
    root = ElementTree.fromstring(confusion_svg(names, draw_confusion(k)))
    assert root.tag == f"{SVG}svg"
    cells = [group.find(f"{SVG}title") for group in root.iter(f"{SVG}g")]
    assert len(cells) == np.count_nonzero(draw_confusion(k))
    assert all(cell is not None and "<class & " in str(cell.text) for cell in cells)
    counts = [text.text for text in root.iter(f"{SVG}text") if text.text in ("9", "1", "10")]
    assert bool(counts) if k <= 30 else "120" not in counts


def test_an_empty_row_is_drawn_empty() -> None:
    root = ElementTree.fromstring(confusion_svg(("a", "b"), np.array([[3, 0], [0, 0]])))
    assert len(list(root.iter(f"{SVG}g"))) == 1


def test_a_part_of_a_larger_map_keeps_its_shares() -> None:
    svg = confusion_svg(("a", "b"), np.array([[3, 1], [0, 2]]), totals_K=np.array([8, 2]))
    assert "a → b: 1 of 8 (12.5\u00a0%)" in svg


def test_reliability_is_valid_svg_and_leaves_empty_bins_out() -> None:
    bins = [
        {"low": 0.0, "high": 0.5, "n": 0, "confidence": 0.0, "accuracy": 0.0},
        {"low": 0.5, "high": 1.0, "n": 40, "confidence": 0.9, "accuracy": 0.75},
    ]
    root = ElementTree.fromstring(reliability_svg(bins))
    assert [str(title.text) for title in root.iter(f"{SVG}title")] == [
        "stated 50% to 100%: 40 photos, 75.0\u00a0% right"
    ]
    ElementTree.fromstring(reliability_svg([]))


@pytest.mark.parametrize(("k", "cell"), [(2, 48), (12, 48), (30, 34), (120, 14)])
def test_the_picture_holds_every_cell(k: int, cell: int) -> None:
    picture = Image.open(io.BytesIO(confusion_png([f"c{i}" for i in range(k)], draw_confusion(k))))
    picture.load()
    assert picture.format == "PNG"
    assert picture.mode == "RGB"
    assert k * cell < picture.height < k * cell + 90
    assert k * cell < picture.width < k * cell + 140
    colours = {colour for _, colour in picture.getcolors(1 << 20) or []}
    assert any(blue > red + 60 for red, _, blue in colours)


def test_hangul_gets_a_picture_with_or_without_a_font() -> None:
    picture = Image.open(io.BytesIO(confusion_png(("튤립", "장미", "\U0010fffe"), draw_confusion(3))))
    assert picture.size[1] > 3 * 48


def test_glyphs_are_checked_in_the_font_itself() -> None:
    font = ImageFont.load_default(14)
    assert has_glyphs(font, "Rose 12 (a)")
    assert not has_glyphs(font, "튤립")
    assert not has_glyphs(font, "rose 튤")


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(0, 0, (160, 160)), (4000, 3000, (160, 120)), (300, 600, (80, 160)), (9000, 10, (160, 32))],
)
def test_a_thumbnail_has_the_shape_of_its_photo(width: int, height: int, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    jpeg = make_thumbnail(pixels, width=width, height=height)
    picture = Image.open(io.BytesIO(jpeg))
    assert (picture.format, picture.size) == ("JPEG", size)
    assert len(jpeg) < 20_000
