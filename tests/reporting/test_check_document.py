from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from photograft.reporting.check_document import MOST_PICTURES, check_text, thumbnail_names
from photograft.reporting.check_page import render_check
from photograft.reporting.columns import count_columns
from photograft.schemas import load_schema
from photograft.values import Issue, Photo

from .check_examples import find_conflicts, make_check, make_photos

DAMAGED = Photo("장미/x.jpg", label="장미", verdict="truncated", reason="the file is cut off")
LEFT_OUT = Photo("장미/y.jpg", label="장미", excluded="edits.csv line 2")


@pytest.mark.parametrize("n", [0, 3, 1500])
def test_the_document_fits_the_schema(n: int) -> None:
    photos = [*make_photos(60, part="val", group="g"), DAMAGED, LEFT_OUT]
    issues = [*find_conflicts(n), *(Issue("rejected", (DAMAGED.name,), "cut off", "Repair it.") for _ in range(n))]
    document = make_check(issues, photos=photos, notes=["2 files were not read"])
    Draft202012Validator(load_schema("check")).validate(json.loads(json.dumps(document, allow_nan=False)))
    assert sum(issue["n_cases"] for issue in document["issues"]) == 2 * n


def test_photos_are_counted_once_each() -> None:
    document = make_check(photos=[*make_photos(10), DAMAGED, LEFT_OUT])
    assert document["photos"] == {"found": 12, "usable": 10, "rejected": 1, "excluded": 1}
    assert document["verdicts"] == {"ok": 11, "truncated": 1}
    assert document["classes"] == [{"name": "민들레", "photos": 5}, {"name": "장미", "photos": 5}]
    assert document["parts"] == {}
    assert document["duplicates"] == {"exact": 2, "near": 1}


def test_parts_groups_and_several_labels_are_counted_where_there_are_some() -> None:
    photos = [
        Photo("1.jpg", labels=("rose", "red"), part="train", group="a"),
        Photo("2.jpg", labels=("rose",), part="train", group="a"),
        Photo("3.jpg", labels=("rose",), part="test"),
    ]
    document = make_check(photos=photos)
    assert document["classes"] == [
        {"name": "red", "photos": 1, "groups": 1},
        {"name": "rose", "photos": 3, "groups": 2},
    ]
    assert document["parts"] == {"train": 2, "test": 1}


def test_what_must_be_fixed_comes_first_then_the_most_photos() -> None:
    issues = [
        Issue("tiny", ("장미/사진 001.jpg", "장미/사진 002.jpg"), "2 photos are small", "Use the originals."),
        Issue("dark", ("장미/사진 001.jpg",), "it is dark", "Leave it out."),
        Issue("lookalike_names", (), "Rose and rose", "Merge them.", must_fix=True),
        Issue("box", ("장미/사진 001.jpg",), "outside", "", must_fix=True),
        Issue("box", ("장미/사진 002.jpg", "장미/사진 003.jpg"), "clipped"),
        *find_conflicts(3),
    ]
    found = make_check(issues)["issues"]
    assert [(i["kind"], i["must_fix"], i["n"], i["n_cases"]) for i in found] == [
        ("label_conflict", True, 4, 3),
        ("lookalike_names", True, 0, 1),
        ("box", True, 1, 1),
        ("tiny", False, 2, 1),
        ("box", False, 2, 1),
        ("dark", False, 1, 1),
    ]


@pytest.mark.parametrize(
    ("issues", "clean"), [([], True), ([Issue("dark", (), "m")], True), (find_conflicts(1), False)]
)
def test_clean_means_that_nothing_must_be_fixed(issues: list[Issue], clean: bool) -> None:
    document = make_check(issues)
    assert document["clean"] is clean
    assert check_text(document).splitlines()[0] == (
        "Clean: nothing must be fixed" if clean else "1 thing must be fixed"
    )


def test_cases_list_every_photo_and_the_page_names_some() -> None:
    names = tuple(photo.name for photo in make_photos(50))
    document = make_check([Issue("tiny", names, "50 photos are small")])
    (found,) = document["issues"]
    (case,) = found["cases"]
    assert (tuple(case["paths"]), case["n_paths"], found["n"]) == (names, 50, 50)
    assert set(document["rows"]) == set(names[:20])
    page = render_check(document, {})
    assert names[19] in page and names[20] not in page


def test_an_unknown_kind_has_its_own_name_as_title() -> None:
    (found,) = make_check([Issue("one_colour", ("장미/사진 001.jpg",), "it is grey")])["issues"]
    assert found["title"] == "One colour"


def test_hostile_names_are_made_fit_for_json_and_the_terminal() -> None:
    name = "장미/bad\udcff\x1b[31m\nnew line.jpg"
    photos = [Photo(name, label="\udcff"), *make_photos(4)]
    document = make_check([Issue("dark", (name,), f"{name}: it is dark")], photos=photos)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    (shown,) = thumbnail_names(document)
    assert shown in document["rows"]
    text = check_text(document)
    text.encode("utf-8")
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4


def make_everything(n_kinds: int) -> list[Issue]:
    message = "아주 긴 한글 이름 " * 40
    return [Issue(f"kind_{i}", (f"장미/사진 {i:03}.jpg",), message, message, must_fix=i < 5) for i in range(n_kinds)]


@pytest.mark.parametrize("n_kinds", [0, 1, 16, 17, 60])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_summary_is_short_and_fits_a_terminal(n_kinds: int, language: str) -> None:
    lines = check_text(make_check(make_everything(n_kinds), language=language, notes=["a note"] * 9)).splitlines()
    assert len(lines) < 40
    assert max(count_columns(line) for line in lines if "→" not in line) <= 110
    assert max(count_columns(line) for line in lines) <= 220  # a remedy is read to its end
    assert [line for line in lines if line.startswith("·")][:2] == ["· a note", "· a note"]
    assert any("45" in line for line in lines) == (n_kinds == 60)  # of 60 kinds 15 are shown


def test_the_summary_says_what_to_do() -> None:
    text = check_text(make_check([*find_conflicts(2), *(Issue("dark", (), "it is dark"),)]))
    assert text.splitlines()[3:] == [
        "! 3  The same picture under different labels: case 0",
        "     → Decide.",
        "  1  Dark photos: it is dark",
    ]


def test_few_pictures_are_asked_for_each_once() -> None:
    names = tuple(photo.name for photo in make_photos(400))
    many = [*find_conflicts(300, size=6, n_photos=400), Issue("tiny", names, "400 photos are small")]
    many += [Issue(f"kind_{i}", names[15 * i : 15 * i + 15], "m") for i in range(20)]
    asked = thumbnail_names(make_check(many, photos=make_photos(400)))
    assert 100 < len(asked) <= MOST_PICTURES
    assert len(set(asked)) == len(asked)
    assert thumbnail_names(make_check([Issue("rejected", (DAMAGED.name,), "m")], photos=[DAMAGED])) == ()
