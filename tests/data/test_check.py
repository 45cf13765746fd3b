from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photograft.data.check import ISSUE_KINDS, check
from photograft.reporting.check_texts import check_texts_in
from photograft.values import Issue, Manifest, Photo


def ordinary(path: str, label: str | None = "a", **fields: Any) -> Photo:
    """A photo with nothing wrong."""
    seen = {"format": "JPEG", "width": 320, "height": 240, "brightness": 110.0, "contrast": 50.0, "sharpness": 1.0}
    return Photo(path, label, **(seen | fields))


def many(n: int = 30, label: str = "a", **fields: Any) -> list[Photo]:
    return [ordinary(f"{label}/{i:03d}.jpg", label, **fields) for i in range(n)]


def found(photos: Sequence[Photo], **options: Any) -> dict[str, Issue]:
    issues = check(Manifest(Path("photos"), tuple(photos)), **options)
    assert all(issue.kind in ISSUE_KINDS and issue.message and issue.remedy for issue in issues)
    kinds = {issue.kind: issue for issue in issues}
    assert len(kinds) == len(issues)
    return kinds


def test_ordinary_photos_have_no_issues() -> None:
    assert found([]) == {}
    assert found(many() + many(40, "b")) == {}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_kind_has_a_title_and_a_reason(language: str) -> None:
    table = check_texts_in(language).table
    assert not [kind for kind in ISSUE_KINDS for text in ("title", "why") if f"{text}.{kind}" not in table]


@pytest.mark.parametrize(
    ("kind", "worse", "bad", "fine"),
    [
        ("tiny", {"width": 40, "height": 50}, {"width": 70, "height": 63}, {"width": 64, "height": 64}),
        ("odd_shape", {"width": 3200}, {"width": 160, "height": 640}, {"width": 600}),
        ("blank", {"contrast": 0.0, "brightness": 0.0, "sharpness": 0.0}, {"contrast": 1.5}, {"contrast": 20.0}),
        ("dark", {"brightness": 3.0}, {"brightness": 19.0}, {"brightness": 35.0}),
        ("bright", {"brightness": 253.0}, {"brightness": 240.0}, {"brightness": 210.0}),
        ("low_contrast", {"contrast": 2.5}, {"contrast": 9.0}, {"contrast": 18.0}),
        ("blurred", {"sharpness": 0.01}, {"sharpness": 0.1}, {"sharpness": 0.25}),
        ("turned", {"turn": 6}, {"turn": 3}, {"turn": 1}),
    ],
)
def test_pictures_that_stand_out(kind: str, worse: dict[str, Any], bad: dict[str, Any], fine: dict[str, Any]) -> None:
    first, second = ordinary("x/1.jpg", **bad), ordinary("x/2.jpg", **worse)
    assert found([*many(), ordinary("x/0.jpg", **fine)]) == {}
    issues = found([*many(), first])
    assert set(issues) == {kind} and issues[kind].paths == ("x/1.jpg",)
    assert issues[kind].message.startswith("x/1.jpg is ") and not issues[kind].must_fix
    both = found([*many(), first, second])[kind]
    assert both.paths == (("x/1.jpg", "x/2.jpg") if kind == "turned" else ("x/2.jpg", "x/1.jpg"))  # worst first
    assert both.message.startswith("2 photos are ") and both.paths[0] in both.message


def test_what_is_usual_in_a_class_is_no_fault() -> None:
    sketches = many(30, "sketch", brightness=244.0, contrast=9.0, sharpness=0.1, width=900, height=100)
    panoramas = many(30, "b", width=900, height=100)
    assert found([*sketches, *panoramas]) == {}
    assert set(found([*many(80, "b"), *sketches[:3]])) >= {"bright", "odd_shape", "small_class"}


def test_the_crop_counts_where_there_is_one() -> None:
    small = ordinary("x.jpg", box=(10, 10, 40, 40), object=2)
    assert found([*many(), small])["tiny"].paths == ("x.jpg#2",)
    assert "tiny" not in found([*many(), ordinary("x.jpg", box=(0, 0, 100, 100))])


def test_unusable_files_must_be_fixed() -> None:
    rejected = Photo("a/cut.jpg", "a", verdict="truncated", reason="the file ends too early")
    issue = found([*many(), rejected])["rejected"]
    assert issue.must_fix and issue.paths == ("a/cut.jpg",) and "the file ends too early" in issue.message


def test_names_that_do_not_say_the_format() -> None:
    photos = [ordinary(f"{i}.jpg", format="PNG") for i in range(3)] + [ordinary("x", format="MPO")]
    issues = check(Manifest(Path("photos"), (*many(), *photos, ordinary("fine.JPG", format="MPO"))))
    assert [i.kind for i in issues] == ["wrong_extension"] * 2
    assert issues[0].message.startswith("x: the content is MPO")
    assert issues[1].paths == ("0.jpg", "1.jpg", "2.jpg") and "3 files with names in .jpg hold PNG" in issues[1].message


def test_boxes_that_were_not_used() -> None:
    wrong = [ordinary(f"x{i}.jpg", box_problem="the box lies outside of the photo") for i in range(2)]
    assert found([*many(), wrong[0]])["box"].message == "x0.jpg: the box lies outside of the photo"
    issue = found([*many(), *wrong])["box"]
    assert issue.paths == ("x0.jpg", "x1.jpg") and issue.message.startswith("2 photos") and not issue.must_fix


def test_missing_labels() -> None:
    assert found([ordinary(f"{i}.jpg", None) for i in range(9)]) == {}  # photos to predict
    issue = found([*many(), ordinary("x.jpg", None)])["no_label"]
    assert issue.paths == ("x.jpg",) and issue.message == "1 photo has no label, for example x.jpg"
    assert "no_label" not in found([ordinary(f"{i}.jpg", None, labels=("sun", "sea")) for i in range(30)])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("Cat", "cat"), "upper and lower case"),
        (("sun flower", "sun_flower", "sunflower "), "spaces or underscores"),
        ((unicodedata.normalize("NFC", "강아지"), unicodedata.normalize("NFD", "강아지")), "Unicode form"),
        (("straße", "STRASSE"), "upper and lower case"),
    ],
)
def test_class_names_that_look_alike(names: tuple[str, ...], said: str) -> None:
    issue = found([photo for name in names for photo in many(label=name)])["lookalike_names"]
    assert issue.must_fix and said in issue.message and all(f'"{name}"' in issue.message for name in names)


def test_class_names_that_differ() -> None:
    assert found([photo for name in ("1 1", "11", "1_2", "cat", "cats", "c") for photo in many(label=name)]) == {}


def test_classes_too_small_for_the_split() -> None:
    lost = Photo("lost/0.jpg", "lost", verdict="empty", reason="the file is empty")
    one = found([*many(), ordinary("b/0.jpg", "b")])
    assert one["class_too_small"].must_fix and "small_class" not in one
    assert one["class_too_small"].message.startswith("b has 1 photo, and the split needs 2 photos")
    assert found([*many(), lost])["class_too_small"].message.startswith("lost has no photo that can be used,")
    both = found([*many(), ordinary("b/0.jpg", "b"), lost])["class_too_small"]
    assert both.message.startswith("lost (0), b (1): 2 classes have fewer photos than the 2 that the split needs (")
    every = found([ordinary(f"{i}.jpg", f"class {i:02d}") for i in range(30)])["class_too_small"]
    assert "class 09 (1) and 20 more: 30 classes have fewer" in every.message


def test_photos_that_stay_together_count_once() -> None:
    burst = many(25, "b", group="p1")
    assert "class_too_small" in found([*many(), *burst])
    objects = [ordinary("b/0.jpg", "b", object=k) for k in range(1, 26)]
    assert "class_too_small" in found([*many(), *objects])
    photos = [*many(), *many(25, "b")]
    group_N = np.arange(55)
    assert found(photos, group_N=group_N, needed_groups=5) == {}
    group_N[30:] = np.arange(25) % 4
    issue = found(photos, group_N=group_N, needed_groups=5)["class_too_small"]
    assert "b has 25 photos in 4 independent groups" in issue.message and "needs 5 photos" in issue.message


def test_small_classes_and_imbalance() -> None:
    issues = found([*many(300), *many(19, "b")])
    assert issues["small_class"].message == "b has only 19 photos"
    assert (
        issues["imbalance"].message == "a has 300 photos, b only 19" and "train.balance" in issues["imbalance"].remedy
    )
    several = found([*many(20), *many(19, "b"), *many(4, "c")])
    assert several["small_class"].message == "2 classes have fewer than 20 photos: c (4), b (19)"
    assert "imbalance" not in several
    labels = found([ordinary(f"{i}.jpg", None, labels=("a", "b") if i % 2 else ("a",)) for i in range(30)])
    assert labels["small_class"].message == "b has only 15 photos"


def test_rows_that_an_edit_leaves_out_are_no_findings() -> None:
    left_out = [ordinary("x.jpg", contrast=0.0, excluded="edits.csv line 2"), ordinary("y.png", excluded="line 3")]
    assert found([*many(), *left_out]) == {}
    assert found([*many(), ordinary("z.jpg", edited="relabel")]) == {}


def test_a_class_that_edits_leave_without_photos_is_left_out_on_purpose() -> None:
    left_out = many(3, "b", excluded="edits.csv:2")
    assert found([*many(), *left_out]) == {}
    assert found([*many(), *left_out, ordinary("b/9.jpg", "b")])["class_too_small"].message.startswith("b has 1 photo,")
