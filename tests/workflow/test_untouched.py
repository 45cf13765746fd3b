"""Nothing is written among the photos, and a table may name photos that lie anywhere else."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

import photograft
from photograft.config.data import DataConfig
from photograft.data.sources import list_source
from photograft.errors import ConfigError
from photograft.workflow.narrator import Silent
from photograft.workflow.untouched import photo_folders, require_outside

MakeFolder = Callable[..., Path]


def _table(file: Path, root: Path, name: Callable[[Path], str]) -> Path:
    file.parent.mkdir(exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as opened:
        rows = [(name(path), path.parent.name) for path in sorted(root.rglob("*.*"))]
        csv.writer(opened).writerows([("path", "label"), *rows])
    return file


def test_a_table_of_absolute_paths_leaves_every_other_folder_free(
    make_photo_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_photo_folder(tmp_path / "photos")
    table = _table(tmp_path / "tables" / "labels.csv", root, lambda path: str(path.resolve()))
    folders = photo_folders(table, list_source(table, DataConfig()))
    require_outside(tmp_path / "runs", folders, option="--runs-dir")
    with pytest.raises(ConfigError, match=r"--runs-dir: .* lies inside the folder of photos"):
        require_outside(root / "daisy" / "runs", folders, option="--runs-dir")


def test_a_table_whose_paths_lead_out_of_its_folder_leaves_the_folder_above_free(
    make_photo_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_photo_folder(tmp_path / "photos")
    table = _table(tmp_path / "tables" / "labels.csv", root, lambda path: f"../photos/{path.parent.name}/{path.name}")
    folders = photo_folders(table, list_source(table, DataConfig()))
    require_outside(tmp_path / "runs", folders, option="--runs-dir")
    with pytest.raises(ConfigError):
        require_outside(root / "daisy", folders, option="--runs-dir")


def test_check_writes_no_page_among_the_photos(make_photo_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    before = sorted(root.rglob("*"))
    with pytest.raises(ConfigError, match=r"--html: .* lies inside the folder of photos"):
        photograft.check(root, html=root / "page.html")
    with pytest.raises(ConfigError, match=r"--preview: .* lies inside the folder of photos"):
        photograft.check(root, preview=root / "daisy" / "page.html")
    assert sorted(root.rglob("*")) == before


def test_split_writes_no_table_among_the_photos_but_beside_the_table_of_labels(
    make_photo_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_photo_folder(tmp_path / "data" / "photos")
    with pytest.raises(ConfigError, match=r"--out: .* lies inside the folder of photos"):
        photograft.split(root, root / "splits.csv")
    table = _table(tmp_path / "data" / "labels.csv", root, lambda path: path.relative_to(tmp_path / "data").as_posix())
    done = photograft.split(table, tmp_path / "data" / "splits.csv")
    assert done.file.is_file()
    assert not (root / "splits.csv").exists()


def test_notes_on_the_source_are_told(make_photo_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    table = _table(tmp_path / "labels.csv", root, lambda path: path.relative_to(tmp_path).as_posix())
    with table.open("a", encoding="utf-8") as file:
        file.write("photos/daisy/nowhere.jpg,daisy\n")
    told = _Told()
    photograft.split(table, tmp_path / "splits.csv", narrator=told)
    assert any("1 files of the table are not there: photos/daisy/nowhere.jpg" in line for line in told.lines)


class _Told(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)
