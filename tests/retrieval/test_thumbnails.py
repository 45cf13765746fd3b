from __future__ import annotations

from pathlib import Path

from photograft.retrieval.thumbnails import (
    FOLDER,
    ThumbnailWriter,
    find_thumbnails,
    is_full_of,
    read_thumbnail,
    thumbnail_files,
)

A, B = "a" * 64, "b" * 64


def test_thumbnails_are_read_where_they_were_written_and_found_again(tmp_path: Path) -> None:
    with ThumbnailWriter(tmp_path) as writer:
        places = {A: writer.add(A, b"one"), B: writer.add(B, b"another")}
    assert [read_thumbnail(tmp_path, place) for place in places.values()] == [b"one", b"another"]
    (file,) = thumbnail_files(tmp_path)
    assert find_thumbnails(file) == places
    assert is_full_of(tmp_path, file.name, places.values())
    assert not is_full_of(tmp_path, file.name, [places[A]])
    with ThumbnailWriter(tmp_path) as writer:
        assert writer.add(A, b"x").file == "000002.pack"


def test_what_a_killed_writer_left_is_found_up_to_where_it_ends(tmp_path: Path) -> None:
    with ThumbnailWriter(tmp_path) as writer:
        first = writer.add(A, b"one")
        writer.add(B, b"another")
    file = tmp_path / FOLDER / first.file
    whole = file.read_bytes()
    for length in range(first.offset + first.length, len(whole)):
        file.write_bytes(whole[:length])
        assert find_thumbnails(file) == {A: first}


def test_damage_gives_no_picture(tmp_path: Path) -> None:
    with ThumbnailWriter(tmp_path) as writer:
        first, second = writer.add(A, b"one"), writer.add(B, b"another")
    file = tmp_path / FOLDER / first.file
    content = bytearray(file.read_bytes())
    content[first.offset] ^= 1
    file.write_bytes(content)
    assert read_thumbnail(tmp_path, first) is None and read_thumbnail(tmp_path, second) == b"another"
    assert find_thumbnails(file) == {}
    file.unlink()
    assert read_thumbnail(tmp_path, second) is None
