from __future__ import annotations

import os
from pathlib import Path

import pytest

from photograft.tracking.atomic import link_or_copy, replacing, write_atomically


@pytest.mark.parametrize(("content", "stored"), [("튤립\n", "튤립\n".encode()), (b"\x00\xff", b"\x00\xff")])
def test_writes_text_as_utf8_and_bytes_as_they_are(tmp_path: Path, content: str | bytes, stored: bytes) -> None:
    for _ in range(2):  # new, and over an old file
        write_atomically(tmp_path / "결과 1.txt", content)
        assert (tmp_path / "결과 1.txt").read_bytes() == stored
    assert [p.name for p in tmp_path.iterdir()] == ["결과 1.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a") as temporary:
        temporary.write_text("half of the n")
        assert temporary.parent == tmp_path
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_have_the_users_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_atomically(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_links_where_it_can_and_copies_where_it_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").write_bytes(b"network")
    link_or_copy(tmp_path / "source", tmp_path / "linked")
    assert (tmp_path / "linked").samefile(tmp_path / "source")

    def refuse(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(tmp_path / "source", tmp_path / "copied")
    assert (tmp_path / "copied").read_bytes() == b"network"
    assert not (tmp_path / "copied").samefile(tmp_path / "source")
