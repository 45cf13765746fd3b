from __future__ import annotations

import sys
import unicodedata
import zipfile
from pathlib import Path

import pytest

from photograft.data.files import FolderFiles, open_files
from photograft.data.locate import Locator


def grow(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("rose/a.jpg", "rose/a.jpg"),
        ("./rose//a.jpg", "rose/a.jpg"),
        ("rose\\a.jpg", "rose/a.jpg"),
        ("rose/../top.png", "top.png"),
        ("ROSE/A.JPG", "rose/a.jpg"),
        ("rose/a", "rose/a.jpg"),
        ("rose/both", "rose/both.jpg"),
        ("dog.1", "dog.1.jpeg"),
        ("top.jpg", None),
        ("rose", None),
        ("none/a.jpg", None),
        ("rose/a.jpg/b", None),
        ("", None),
        ("nul\0.jpg", None),
        ("x" * 1900, None),
        ("d/" * 50_000, None),
    ],
)
def test_paths_as_tables_give_them(tmp_path: Path, given: str, found: str | None) -> None:
    grow(tmp_path, "rose/a.jpg", "rose/both.png", "rose/both.jpg", "rose/both.txt", "top.png", "dog.1.jpeg")
    assert Locator(FolderFiles(tmp_path)).find(given) == found


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system decides how Hangul is stored")
@pytest.mark.parametrize(("stored", "given"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_another_unicode_form(tmp_path: Path, stored: str, given: str) -> None:
    name = "강아지/깊이/사진.jpg"
    own = unicodedata.normalize(stored, name)  # type: ignore[arg-type]
    grow(tmp_path, own)
    locator = Locator(FolderFiles(tmp_path))
    assert locator.find(unicodedata.normalize(given, name)) == own  # type: ignore[arg-type]
    assert locator.find(unicodedata.normalize(given, "강아지/깊이/사진")) == own  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="there names differ by more than case")
def test_a_name_that_could_mean_two_files_means_none(tmp_path: Path) -> None:
    grow(tmp_path, "a.JPG", "A.jpg")
    locator = Locator(FolderFiles(tmp_path))
    assert locator.find("a.jpg") is None
    assert locator.find("a.JPG") == "a.JPG"


def test_paths_outside_of_the_folder(tmp_path: Path) -> None:
    grow(tmp_path, "tables/x.csv", "photos/a.jpg")
    locator = Locator(FolderFiles(tmp_path / "tables"))
    assert locator.find("../photos/a.jpg") == "../photos/a.jpg"
    absolute = (tmp_path / "photos" / "a.jpg").as_posix()
    assert locator.find(absolute) == absolute


def test_an_archive_has_no_outside(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("top/rose/a.jpg", b"x")
    grow(tmp_path, "b.jpg")
    with open_files(tmp_path / "a.zip") as files:
        locator = Locator(files, ("", "top"))
        assert locator.find("top/rose/a.jpg") == locator.find("rose/a") == "top/rose/a.jpg"
        assert locator.find("../b.jpg") is None
        assert locator.find((tmp_path / "b.jpg").as_posix()) is None
