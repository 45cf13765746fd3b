from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from photograft.config.data import DataConfig
from photograft.data.unlabelled import find_set_apart, list_unlabelled
from photograft.errors import DataError
from photograft.values import Photo


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def parts(root: Path, config: DataConfig | None = None) -> dict[str, str | None]:
    return {found.path: found.part for found in list_unlabelled(root, config or DataConfig()).files}


def test_photos_at_any_depth_are_listed_and_system_files_are_not(tmp_path: Path) -> None:
    root = make(tmp_path / "내 사진", "a.jpg", "봄 꽃/b.jpg", "deep/er/c.png", "notes.txt", ".hidden/d.jpg")
    assert parts(root) == {"a.jpg": None, "deep/er/c.png": None, "봄 꽃/b.jpg": None}


def test_photos_of_an_archive_are_listed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photos/train/장미 1.jpg", b"x")
        archive.writestr("photos/test/장미 2.jpg", b"x")
    assert parts(tmp_path / "photos.zip") == {"photos/test/장미 2.jpg": "test", "photos/train/장미 1.jpg": "train"}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["train/a.jpg", "val/b.jpg", "test/c.jpg", "d.jpg"], ["train", "val", "test", None]),
        (["train/a.jpg", "val/b.jpg"], ["train", "test"]),  # as train reads it: without test, val is the test part
        (["more/a.jpg", "test/b.jpg"], [None, "test"]),
        (["test/a.jpg", "test/b.jpg"], [None, None]),  # a single part is no division
    ],
)
def test_folders_of_parts(tmp_path: Path, paths: list[str], expected: list[str | None]) -> None:
    found = parts(make(tmp_path / "photos", *paths))
    assert [found[path] for path in paths] == expected


def test_settings_about_labels_read_them(tmp_path: Path) -> None:
    root = make(tmp_path / "photos", "rose/1.jpg", "rose/2.jpg", "tulip/3.jpg")
    assert list(parts(root, DataConfig(classes=("tulip",)))) == ["tulip/3.jpg"]
    assert len(parts(root, DataConfig(per_class=1))) == 2


def test_no_photos(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no photos in it\.\n\(left out without being read: 1 \.txt files\)"):
        parts(make(tmp_path / "photos", "readme.txt"))


PHOTOS = [Photo("a/1.jpg", sha256="11"), Photo("a/2.jpg", sha256="22"), Photo("new/3.jpg", sha256="33")]


def test_test_rows_are_found_by_name_and_by_content_and_blank_ones_too(tmp_path: Path) -> None:
    file = tmp_path / "splits.csv"
    file.write_text("path,part,sha256\na/1.jpg,train,11\na/2.jpg,,22\nold/3.jpg,Test,33\ngone.jpg,test,44\n", "utf-8")
    assert find_set_apart(file, PHOTOS) == {1, 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na/1.jpg,rose\n", "there is no column part"),
        ("path,part\na/1.jpg,exam\n", r"splits.csv:2: part 'exam' is not train, val, test or empty"),
        ("path,part\nelsewhere.jpg,test\n", "none of its rows names one of the 3 photos"),
    ],
)
def test_a_table_with_problems_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "splits.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(DataError, match=message):
        find_set_apart(file, PHOTOS)
