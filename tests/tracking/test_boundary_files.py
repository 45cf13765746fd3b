from __future__ import annotations

import threading
from pathlib import Path

import pytest

from photograft.errors import ConfigError
from photograft.tracking.boundary_files import boundary_folder, locked, make_room, remove_all, space_size, used_bytes
from photograft.tracking.cache import Cache


def make_space(cache: Path, name: str, size: int) -> Path:
    folder = boundary_folder(cache) / name
    folder.mkdir(parents=True)
    (folder / "records.bin").write_bytes(b"\0" * size)
    return folder


def test_the_cache_counts_and_clears_outputs_of_frozen_parts(tmp_path: Path) -> None:
    with Cache(tmp_path / "빈 cache") as cache:
        assert cache.sizes()["boundary_bytes"] == 0
        make_space(cache.folder, "a", 3000)
        make_space(cache.folder, "b", 4000)
        assert cache.sizes()["boundary_bytes"] == 7000
        assert used_bytes(cache.folder, without="a") == 4000 and space_size(cache.folder, "a") == 3000
        cache.clear()
        assert cache.sizes()["boundary_bytes"] == 0 and used_bytes(cache.folder) == 0


def test_a_space_that_is_written_stays_and_clearing_says_so(tmp_path: Path) -> None:
    busy, idle = make_space(tmp_path, "busy", 10), make_space(tmp_path, "idle", 10)
    with locked(busy), pytest.raises(ConfigError, match="busy could not be deleted: is another run using it"):
        remove_all(tmp_path)
    assert busy.is_dir() and not idle.exists()
    remove_all(tmp_path)
    assert not busy.exists()


def test_who_finds_a_space_locked_is_told_and_waits(tmp_path: Path) -> None:
    folder = tmp_path / "boundaries" / "a"
    seen: list[str] = []
    told = threading.Event()

    def other() -> None:
        with locked(folder, waiting=told.set):
            seen.append("other")

    with locked(folder, waiting=lambda: seen.append("never")):
        thread = threading.Thread(target=other)
        thread.start()
        assert told.wait(10)
        seen.append("first")
    thread.join(10)
    assert seen == ["first", "other"]


def test_no_more_spaces_are_deleted_than_are_needed(tmp_path: Path) -> None:
    for name in "abcd":
        make_space(tmp_path, name, 1000)
    make_room(tmp_path, "new", space_bytes=1000, budget_bytes=5000)
    assert used_bytes(tmp_path) == 4000
    make_room(tmp_path, "a", space_bytes=2500, budget_bytes=4600)
    assert space_size(tmp_path, "a") == 1000 and used_bytes(tmp_path, without="a") == 2000
