"""`photograft check` from end to end on drawn photos with planted defects."""

from __future__ import annotations

import csv
import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from PIL import Image, ImageOps

import photograft
from photograft.schemas import load_schema

Draw = Callable[..., Path]


@pytest.fixture
def photos(make_photo_folder: Draw, tmp_path: Path) -> Path:
    return make_photo_folder(tmp_path / "나의 사진", classes=("강아지", "cat"), n=24)


def check(photos: Path, *assignments: str, **options: Any) -> dict[str, Any]:
    config = photograft.load_config(None, ["input.px=64", *assignments])
    document = photograft.check(photos, config=config, **options)
    Draft202012Validator(load_schema("check")).validate(document)
    return document


def paths_of(document: dict[str, Any], kind: str) -> set[frozenset[str]]:
    cases = (case for issue in document["issues"] if issue["kind"] == kind for case in issue["cases"])
    return {frozenset(case["paths"]) for case in cases}


def test_a_clean_set_is_clean(photos: Path) -> None:
    document = check(photos)
    assert document["clean"] and document["photos"] == {"found": 48, "usable": 48, "rejected": 0, "excluded": 0}


def test_planted_defects_are_found(photos: Path) -> None:
    before = {p: p.read_bytes() for p in sorted(photos.rglob("*")) if p.is_file()}
    dog, cat = photos / "강아지", photos / "cat"
    first = Image.open(dog / "강아지 00.jpg").convert("RGB")
    first.save(dog / "again.jpg", quality=70)
    ImageOps.mirror(first).save(dog / "mirrored.png")
    shutil.copy(dog / "강아지 01.jpg", cat / "conflict.jpg")
    (cat / "cut.jpg").write_bytes((cat / "cat 00.jpg").read_bytes()[:700])
    shutil.copy(cat / "cat 04.png", cat / "wrong.jpg")
    Image.new("RGB", (64, 48), (90, 90, 90)).save(cat / "blank.png")
    document = check(photos)
    near = {"강아지/강아지 00.jpg", "강아지/again.jpg", "강아지/mirrored.png"}
    assert frozenset(near) in paths_of(document, "near_duplicate")
    assert paths_of(document, "label_conflict") == {frozenset({"강아지/강아지 01.jpg", "cat/conflict.jpg"})}
    assert frozenset({"cat/cat 04.png", "cat/wrong.jpg"}) in paths_of(document, "exact_duplicate")
    assert paths_of(document, "rejected") == {frozenset({"cat/cut.jpg"})}
    assert paths_of(document, "wrong_extension") == {frozenset({"cat/wrong.jpg"})}
    assert frozenset({"cat/blank.png"}) in paths_of(document, "blank")
    assert not document["clean"]
    fixed = {issue["kind"] for issue in document["issues"] if issue["must_fix"]}
    assert fixed == {"label_conflict", "rejected"}
    assert {p: p.read_bytes() for p in before} == before


def test_copies_across_given_parts_are_leaks(make_photo_folder: Draw, tmp_path: Path) -> None:
    root = tmp_path / "parts"
    make_photo_folder(root / "train", classes=("a", "b"), n=20)
    make_photo_folder(root / "test", classes=("a", "b"), n=6, seed=9)
    shutil.copy(root / "train" / "a" / "a 00.jpg", root / "test" / "a" / "copy.jpg")
    document = check(root)
    assert paths_of(document, "leak") == {frozenset({"train/a/a 00.jpg", "test/a/copy.jpg"})}
    assert document["parts"] == {"train": 40, "test": 13}


def test_class_names_that_look_the_same_must_be_fixed(photos: Path) -> None:
    twin = photos / unicodedata.normalize("NFD", "강아지")
    if twin.exists():
        pytest.skip("this file system takes both forms of a name for one")
    (photos / "강아지").rename(twin)
    shutil.copytree(twin, photos / "강아지")
    (photos / "Cat ").mkdir()
    Image.open(photos / "cat" / "cat 01.jpg").save(photos / "Cat " / "x.png")
    document = check(photos)
    kinds = {issue["kind"]: issue["must_fix"] for issue in document["issues"]}
    assert kinds["lookalike_names"] is True
    assert not document["clean"]


def test_too_few_photos_for_the_split_are_named(make_photo_folder: Draw, tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos", classes=("a", "b"), n=20)
    make_photo_folder(tmp_path / "more", classes=("tiny class",), n=1)
    shutil.move(tmp_path / "more" / "tiny class", root)
    document = check(root)
    text = json.dumps(document["issues"])
    assert "tiny class" in text and not document["clean"]


def test_a_table_with_groups_and_edits(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    with table.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "person"])
        for n, photo in enumerate(sorted(photos.rglob("*.jpg"))):
            writer.writerow([photo.relative_to(tmp_path).as_posix(), photo.parent.name, f"p{n // 3}"])
    from photograft.workflow.edits import add_edits

    journal = tmp_path / "journal" / "edits.csv"
    journal.parent.mkdir()
    add_edits(journal, "exclude", [photos / "cat" / "cat 00.jpg"], note="blurred")
    document = check(table, "data.labels.group=person", f"data.edits={journal}")
    n = len(list(photos.rglob("*.jpg")))
    assert document["photos"] == {"found": n, "usable": n - 1, "rejected": 0, "excluded": 1}


def test_pages_are_written(photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "cat" / "cat 00.jpg", photos / "cat" / "x.jpg")
    html, preview = tmp_path / "page.html", tmp_path / "preview.html"
    check(photos, html=html, preview=preview)
    assert "data:image/jpeg;base64," in html.read_text("utf-8")
    assert "data:image/jpeg;base64," in preview.read_text("utf-8")


def test_a_page_that_cannot_be_written_is_said_before_the_work(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(photograft.PhotograftError, match="cannot be written"):
        check(photos, html=tmp_path / "no folder" / "page.html")


def test_one_class_alone_must_be_fixed(photos: Path) -> None:
    document = check(photos, "data.classes=[cat]")
    (issue,) = (issue for issue in document["issues"] if issue["must_fix"])
    assert (
        issue["cases"][0]["message"] == "only the class cat has photos that can be used: there is nothing to tell apart"
    )
