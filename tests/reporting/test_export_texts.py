"""What `export` prints of what it found."""

from __future__ import annotations

from typing import Any

import pytest

from photograft.reporting.export_texts import export_lines

UNLABELLED = "They were compared without labels, so there is no accuracy."


@pytest.mark.parametrize(
    ("low", "median", "high", "slower"),
    [(40, 45, 49.9, True), (40, 45, 50, False), (40, 45, 200, False), (90, 100, 110, False)],
)
def test_slower_is_what_was_slower_in_every_pass(low: float, median: float, high: float, slower: bool) -> None:
    lines = export_lines(found(exported=speed(low, median, high)))
    assert ("onnx is slower than the bundle on this machine." in lines) is slower


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "Compared on 1,200 photos of shop."),
        ({"labelled": False}, f"Compared on 1,200 photos of shop. {UNLABELLED}"),
        ({"rejected": 2}, "Compared on 1,200 photos of shop. 2 more could not be read."),
        (
            {"labelled": False, "rejected": 2},
            f"Compared on 1,200 photos of shop. {UNLABELLED} 2 more could not be read.",
        ),
        (
            {"seen": 60, "rejected": 1},
            "Compared on 1,200 photos of shop. The model was trained on 60 of them: the change counts, the accuracy is "
            "too high. 1 more could not be read.",
        ),
    ],
)
def test_every_fact_about_the_photos_has_its_own_sentence(changed: dict[str, Any], said: str) -> None:
    photos = {"what": "photos of shop", "n": 1200, "rejected": 0, "labelled": True, "seen": 0}
    assert said in export_lines(found(exported=speed(90, 100, 110)) | {"photos": photos | changed})


def found(*, exported: dict[str, float]) -> dict[str, Any]:
    """What `export` keeps of an export and of a bundle that does 50 to 110 photos per second."""
    rows = [
        {"name": "bundle", "size_bytes": 100, **speed(50, 100, 110)},
        {"name": "onnx", "size_bytes": 90, **exported},
    ]
    return {"export": "flowers-onnx", "files": {"model.onnx": 90}, "rows": rows, "photos": None}


def speed(low: float, median: float, high: float) -> dict[str, float]:
    return {"photos_per_second": median, "photos_per_second_low": low, "photos_per_second_high": high}
