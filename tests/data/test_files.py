from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from photograft.data.files import Entry, FolderFiles, open_files, photo_status, read_photo
from photograft.errors import DataError, ImageRejected
from photograft.values import FileStatus

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def test_a_folder_gives_entries_status_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "장미").mkdir()
    (tmp_path / "장미" / "a b.jpg").write_bytes(b"photo")
    with open_files(tmp_path) as files:
        (entry,) = files.entries("")
        assert (entry.name, entry.is_folder, entry.hidden) == ("장미", True, False)
        assert files.entries("장미") == [Entry("a b.jpg", False)]
        data, status = files.read("장미/a b.jpg", max_file_mb=1)
        own = (tmp_path / "장미" / "a b.jpg").stat()
        assert data == b"photo"
        assert status == files.status("장미/a b.jpg", max_file_mb=1)
        assert status == FileStatus(5, own.st_mtime_ns, own.st_ino)
        assert files.position("장미/a b.jpg") == 0
        assert (files.root, files.notes) == (tmp_path, ())
        with pytest.raises(OSError):
            files.entries("none")


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        *(("none.jpg", "unreadable"), ("folder", "unreadable"), ("nul\0.jpg", "unreadable")),
        *(("empty.jpg", "empty"), ("large.jpg", "too_large_file")),
    ],
)
def test_what_cannot_be_read_is_a_verdict_before_it_is_opened(tmp_path: Path, name: str, verdict: str) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(1_000_001)
    for look in (read_photo, photo_status):
        with pytest.raises(ImageRejected) as caught:
            look(tmp_path / name, max_file_mb=1)
        assert caught.value.verdict == verdict


@posix
def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageRejected, match="a named pipe"):
        read_photo(tmp_path / "pipe.jpg", max_file_mb=1)
    with pytest.raises(DataError, match="neither a folder nor a regular file"), open_files(tmp_path / "pipe.jpg"):
        pass


@posix
def test_links_to_one_folder_have_one_identity(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    a, b, loop = sorted(FolderFiles(tmp_path).entries(""), key=lambda entry: entry.name)
    assert a.identity == b.identity is not None
    assert not loop.is_folder


def test_what_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"), open_files(tmp_path / "없음"):
        pass
