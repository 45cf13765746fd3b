from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from photograft.evaluation.reconstruction import Error
from photograft.reporting.pretrain_page import Pretrained, build_pretrained, render_pretrained
from photograft.reporting.reconstruction_sheet import reconstruction_sheet
from photograft.values import Record

RESULT = Pretrained(
    run="2026-11-22-<b>그림</b>",
    backbone="autoencoder:32x5",
    px=96,
    photos={"train": 648, "held_out": 72, "left_out": 3, "rejected": 1},
    errors={
        "model": Error(0.004, 0.003, 0.005),
        "mean_colour": Error(0.05, 0.04, 0.06),
        "quarter": Error(0.01, 0.009, 0.011),
        "trained": Error(0.0035, 0.003, 0.004),
    },
    kept=73_728,
    given=27_648,
    epochs=2,
    seconds=75.0,
    split_given=True,
    next_command="photograft train PHOTOS --set 'model.backbone=run:runs/2026-11-22-<b>그림</b>'",
)
RECORDS = [
    Record("pretrain", float(epoch), 40 * epoch, 1e-3, loss, loss * 1.1, None, 10.0 * epoch, True)
    for epoch, loss in ((1, 0.02), (2, 0.004))
]


def page(result: Pretrained = RESULT, *, language: str = "en", sheet: bytes = b"jpeg") -> str:
    document = build_pretrained(result, {"quality": "good", "pretrain": {"epochs": 2}}) | {"language": language}
    return render_pretrained(document, RECORDS, sheet=sheet)


def test_the_page_shows_what_the_number_means() -> None:
    html = page()
    assert "better than a photo shrunk to a quarter" in html and "24.0 dB" in html
    assert "73,728 values of a photo of 27,648" in html and '<td class="n">0.0500</td>' in html
    assert "<b>그림</b>" not in html and "&lt;b&gt;그림" in html
    assert 'src="data:image/jpeg;base64,' in html and "<svg" in html and "pretrain.epochs" in html
    assert "No test part was named" not in html and "2 epochs in 1 min 15 s" in html


def test_what_is_worse_or_missing_is_said() -> None:
    worse = {**RESULT.errors, "model": Error(0.03, 0.02, 0.04)}
    html = page(replace(RESULT, errors=worse, split_given=False), sheet=b"")
    assert "back worse than a photo shrunk" in html and "No test part was named" in html and "<img" not in html
    html = page(replace(RESULT, errors={**RESULT.errors, "model": Error(0.06, 0.05, 0.07)}))
    assert "no better than their mean colour" in html


def test_the_page_speaks_korean() -> None:
    html = page(language="ko")
    assert 'lang="ko"' in html and "사전 학습" in html and "24.0 dB" in html


@pytest.mark.parametrize(("n_held", "n_trained"), [(4, 4), (10, 3), (1, 0), (0, 1)])
def test_the_sheet_frames_photos_that_were_held_out(n_held: int, n_trained: int) -> None:
    n = n_held + n_trained
    grey, green = np.full((n, 20, 20, 3), 128, np.uint8), np.full((n, 20, 20, 3), (0, 200, 0), np.uint8)
    jpeg = reconstruction_sheet(grey, green, held_out=[True] * n_held + [False] * n_trained)
    with Image.open(io.BytesIO(jpeg)) as sheet:
        colours = np.asarray(sheet.convert("RGB")).reshape(-1, 3).astype(int)
    blue_ish = (np.abs(colours - (31, 111, 178)).max(axis=1) < 40).sum()
    for colour in ((128, 128, 128), (0, 200, 0)):
        area = (np.abs(colours - colour).max(axis=1) < 12).sum()
        assert area == pytest.approx(n * 144 * 144, rel=0.05)
    assert (blue_ish > 1500 * n_held) == bool(n_held)
