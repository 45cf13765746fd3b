from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from photograft.config.augment import AugmentConfig
from photograft.reporting.document import thumbnail_paths
from photograft.reporting.page import render_html
from photograft.reporting.thumbnails import make_thumbnail
from photograft.reporting.training import Training
from photograft.reporting.training_section import say_augmentation, say_comparison, say_time
from photograft.reporting.training_texts import training_texts_in

from .examples import make_report
from .pages import HOSTILE, Page, check_self_contained
from .test_page import SECTIONS
from .training_examples import make_members, make_records, make_refit, make_training

ENGLISH = training_texts_in("en")
LINEAR = {"what": "test", "n": 551, "tuned": 0.949, "linear": 0.936, "low": -0.001, "high": 0.027}


def draw(*, language: str = "en", sheets: Mapping[str, bytes] | None = None, **changes: Any) -> Page:
    return draw_any(make_training(**changes), language=language, sheets=sheets)


def draw_any(
    training: Training | Mapping[str, Training], *, language: str = "en", sheets: Mapping[str, bytes] | None = None
) -> Page:
    report = make_report(("a", "b", "c"), 120, training=training, language=language)
    html = render_html(json.loads(json.dumps(report)), thumbnails={}, sheets=sheets)
    check_self_contained(html)
    page = Page(html)
    page.text = page.text.replace("\u00a0", " ")
    return page


def test_the_section_stands_before_the_data_and_says_what_trained() -> None:
    page = draw()
    order = [*SECTIONS[:-1], "training", "details"]
    assert page.ids == order
    for text in (
        "162,517 of 238,709 parameters (68 %) were trained: everything from blocks.5 on; BatchNorm frozen.",
        "8 epochs, 4 min 28 s in all; the best state was after epoch 3.",
        "Fitted in turn: train part, train and validation (refit).",
        "Fine-tuning against the linear head on the same photos: 0.949 against 0.936 (+0.013, -0.001 to +0.027).",
        "Ran once for 3,670 photos in 6 views each: 1.12 GB kept, in 1 min 11 s.",
        "The best state was epoch 3 of 8 by its validation loss, yet accuracy was highest after epoch 7.",
        "6 layers, one by one",
        "Trained from",
    ):
        assert text in page.text
    assert not [text for text in ("{n", "{share", "None", "nan", "Undefined") if text in page.text]


def test_the_advised_rate_is_a_tenth_of_that_before_the_head() -> None:
    records = [replace(record, lr=0.0001, train_loss=float("nan")) for record in make_records()]
    assert "try a tenth of the learning rate (train.lr=0.00004)" in draw(records=records).text


def test_every_layer_and_count_is_in_the_table() -> None:
    page = draw()
    for text in ("blocks.5.0.conv_pw", "BatchNormAct2d", "672×14×14", "150,528", "0.0004", "frozen", "240,117", "68 %"):
        assert text in page.text


def test_what_was_not_done_is_not_told() -> None:
    page = draw(augment=None, boundary=None, linear=None, records=make_records()[:1])
    for text in ("Changed copies", "The frozen part", "linear head", "What the curves say", "Fitted in turn", "img"):
        assert text not in page.text
    assert "1 epoch, 4 min 28 s in all." in page.text


def test_a_run_without_fine_tuning_has_no_section() -> None:
    report = make_report(("a", "b"), 60)
    assert Page(render_html(report, thumbnails={})).ids == list(SECTIONS)


def test_the_contact_sheet_is_part_of_the_file_and_comes_before_other_pictures() -> None:
    sheet = make_thumbnail(np.full((64, 64, 3), 200, np.uint8))
    assert [tag for tag, _ in draw().elements if tag == "img"] == []
    page = draw(sheets={"": sheet})
    ((_, image),) = [element for element in page.elements if element[0] == "img"]
    assert image["alt"] == "Training photos and their changed copies"
    report = make_report(("a", "b"), 150, worst=20, training=make_training())
    crowd = dict.fromkeys(thumbnail_paths(report), bytes(900_000))
    full = Page(render_html(report, thumbnails=crowd, sheets={"": bytes(800_000)}))
    assert sum(tag == "img" for tag, _ in full.elements) == 1 + 2


def test_every_member_has_its_part_under_its_name_and_the_comparison_stands_once() -> None:
    sheet = make_thumbnail(np.full((64, 64, 3), 200, np.uint8))
    page = draw_any(make_members(), sheets={"나이": sheet})
    assert page.ids == [*SECTIONS[:-1], "training", "details"]
    assert page.text.count("Fine-tuning against the linear head on the same photos: 0.949 against 0.936") == 1
    assert page.text.index("Fine-tuning against") < page.text.index("What trained")
    assert page.text.count("8 epochs, 4 min 28 s in all; the best state was after epoch 3.") == 2
    for text in (
        "Fitted in turn: train part, train and validation (refit).",
        "Fitted in turn: fold 1, fold 2.",
        "Curves, changed copies and layers of 나이",
        "Curves and layers of <b>gender</b>",
    ):
        assert page.text.count(text) == 1
    assert sum(tag == "svg" for tag, _ in page.elements) == 2 + sum(tag == "svg" for tag, _ in plain_page().elements)
    assert "Trained from" not in page.text  # the parts say it
    page.check_harmless()


def plain_page() -> Page:
    return Page(render_html(make_report(("a", "b", "c"), 120), thumbnails={}))


def test_members_speak_korean() -> None:
    page = draw_any(make_members(), language="ko", sheets={})
    for text in ("나이: 곡선과 층", "학습 순서: 폴드 1, 폴드 2.", "선형 분류기를 비교하면 0.949 대 0.936"):
        assert text in page.text


def test_hostile_names_stay_text() -> None:
    summary = make_training().summary
    layers = tuple(
        replace(layer, name=name, kind=name) for layer, name in zip(summary.layers, HOSTILE * 2, strict=False)
    )
    records = [replace(record, fit=HOSTILE[0]) for record in make_records()]
    page = draw(summary=replace(summary, cut=HOSTILE[1], layers=layers), records=[*records, *make_refit()])
    page.check_harmless()
    assert "<script>alert(1)</script>" in page.text


def test_the_section_speaks_korean() -> None:
    page = draw(language="ko")
    for text in (
        "어떻게 학습했나",
        "238,709개 가운데 162,517개(68 %)",
        "4분 28초",
        "좌우 뒤집기",
        "검증 손실",
        "테스트",
    ):
        assert text in page.text
    assert ("section", {"id": "training", "lang": "ko"}) in page.elements


@pytest.mark.parametrize(
    ("low", "high", "meaning"),
    [
        (-0.001, 0.027, "cannot be told apart"),
        (0.001, 0.027, "the gain is more than chance"),
        (-0.03, -0.001, "the linear head was better"),
    ],
)
def test_the_comparison_says_what_its_interval_means(low: float, high: float, meaning: str) -> None:
    assert meaning in say_comparison({**LINEAR, "low": low, "high": high}, ENGLISH)


def test_augmentation_names_what_changes_and_nothing_else() -> None:
    def say(**settings: Any) -> str:
        augment: Mapping[str, Any] = AugmentConfig(**settings).model_dump()
        return say_augmentation(augment, ENGLISH).replace("\u00a0", " ")

    nothing = {"flip": "none", "crop": 1, "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}
    assert say(**nothing) == "none: the photos were used as they are"
    assert say(**nothing | {"rotation": 15, "views": 1}) == "1 per photo; turned by up to 15°"
    everything = say(randaugment=9, erasing=0.25, mixup=0.2, cutmix=1, rotation=7.5, flip="both")
    assert everything.startswith(
        "4 per photo, which take turns; mirrored both ways, turned by up to 7.5°, cropped to 50 %"
    )
    assert everything.endswith(
        "a rectangle blanked in 25 % of copies, two random changes of strength 9 (RandAugment), "
        "blended in pairs (mixup 0.2), rectangles of other photos (cutmix 1)"
    )
    assert "per photo" not in say(views=0)


def test_times_are_told_as_people_do() -> None:
    assert [say_time(seconds, ENGLISH) for seconds in (0.04, 9.96, 45.4, 59.7, 268.4, 3599.6, 7500)] == [
        "0.0 s", "10.0 s", "45 s", "1 min 0 s", "4 min 28 s", "1 h 0 min", "2 h 5 min",
    ]  # fmt: skip
