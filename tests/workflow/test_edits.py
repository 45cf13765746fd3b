"""Rows are added to a journal that is sound, about files that can be photos."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from photograft.errors import DataError
from photograft.workflow.edits import add_edits, list_edits


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    path = tmp_path / "photos" / "사진.jpg"
    path.write_bytes(b"bytes of a photo")
    return path


def test_no_row_is_added_to_a_journal_that_is_refused(photo: Path, tmp_path: Path) -> None:
    journal = tmp_path / "edits.csv"
    add_edits(journal, "exclude", [photo])
    cut = journal.read_bytes() + b"2026-01-01,exclude,abc"
    journal.write_bytes(cut)
    with pytest.raises(DataError, match=r"edits\.csv:3: sha256 'abc' is not 64 hexadecimal digits"):
        add_edits(journal, "exclude", [photo])
    assert journal.read_bytes() == cut


def test_an_empty_file_becomes_a_journal(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "edits.csv").touch()
    assert add_edits(tmp_path / "edits.csv", "exclude", [photo]) == 1
    assert [row["action"] for row in list_edits(tmp_path / "edits.csv")] == ["exclude"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_is_no_regular_file_or_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    pipe, huge = tmp_path / "pipe.jpg", tmp_path / "huge.jpg"
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(8_000_000_000)
    journal = tmp_path / "journals" / "edits.csv"
    journal.parent.mkdir()
    for path, reason in ((pipe, "a named pipe"), (Path("/dev/zero"), "a device"), (huge, "8,000 MB are more")):
        with pytest.raises(DataError, match=f"{path.name} cannot be read: .*{reason}"):
            add_edits(journal, "exclude", [path])
    assert not journal.exists()
