from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from photograft.errors import ConfigError, PhotograftError
from photograft.features.boundary_store import BoundaryStore
from photograft.tracking.boundary_files import boundary_folder, locked

from .fronts import content, make_space, record

N = 6


def keep(store: BoundaryStore, numbers: range) -> BoundaryStore:
    with store.writing() as out:
        for i in numbers:
            out.append(content(i), record(i))
    return store


def files(store: BoundaryStore) -> tuple[bytes, bytes]:
    return (store.folder / "records.bin").read_bytes(), (store.folder / "index").read_bytes()


def test_what_was_kept_is_read_by_the_next_run(tmp_path: Path) -> None:
    keep(BoundaryStore(tmp_path, make_space()), range(N))
    store = BoundaryStore(tmp_path, make_space())
    assert store.missing([content(3), content(N)]) == [content(N)]
    map_BCHW, mean_BC = store.read(store.records([content(4), content(1)]), np.array([0, 3]))
    assert np.array_equal(map_BCHW.reshape(2, -1), np.stack([record(4)[0], record(1)[3]])[:, :-3])
    assert np.array_equal(mean_BC, np.stack([record(4)[0], record(1)[3]])[:, -3:])


def test_cut_off_at_any_byte_it_goes_on_to_the_same_files(tmp_path: Path) -> None:
    whole = files(keep(BoundaryStore(tmp_path / "whole", make_space()), range(N)))
    cut = BoundaryStore(tmp_path / "cut", make_space())
    keep(cut, range(0))
    for n_index in range(0, len(whole[1]), 37):
        n_lines = whole[1][:n_index].count(b"\n")
        for n_more in (0, 1, 2 * cut.space.record_bytes - 1):  # records that no line names yet, whole and torn
            n_records = min(n_lines * cut.space.record_bytes + n_more, len(whole[0]))
            (cut.folder / "records.bin").write_bytes(whole[0][:n_records])
            (cut.folder / "index").write_bytes(whole[1][:n_index])
            cut.refresh()
            assert cut.missing(map(content, range(N))) == [content(i) for i in range(n_lines, N)]
            keep(cut, range(N))
            assert files(cut) == whole


@pytest.mark.parametrize("n_records", (0, 1, 3))
def test_lines_without_records_do_not_count(tmp_path: Path, n_records: int) -> None:
    store = keep(BoundaryStore(tmp_path, make_space()), range(N))
    whole = files(store)
    with (store.folder / "records.bin").open("r+b") as file:
        file.truncate(n_records * store.space.record_bytes + 5)
    store = BoundaryStore(tmp_path, make_space())
    assert len(store.missing(map(content, range(N)))) == N - n_records
    assert files(keep(store, range(N))) == whole


def test_an_index_with_damaged_lines_counts_up_to_them(tmp_path: Path) -> None:
    store = keep(BoundaryStore(tmp_path, make_space()), range(N))
    whole = files(store)
    lines = whole[1].splitlines(keepends=True)
    (store.folder / "index").write_bytes(b"".join(lines[:2]) + b"\0" * 20 + b"\n" + b"".join(lines[3:]))
    store = BoundaryStore(tmp_path, make_space())
    assert len(store.missing(map(content, range(N)))) == N - 2
    assert files(keep(store, range(N))) == whole


def test_spaces_that_differ_in_anything_are_apart() -> None:
    space = make_space(network="a")
    others = [
        make_space(network="b"),
        replace(space, n_copies=4),
        replace(space, n_plain=1),
        replace(space, shapes=((3, 8, 8), (4,))),
        replace(space, names=("map", "amax")),
    ]
    assert len({space.id, *(other.id for other in others)}) == 6
    assert space.id == make_space(network="a").id and space.record_bytes == 5 * 195 * 2


def test_another_about_file_begins_the_space_anew(tmp_path: Path) -> None:
    store = keep(BoundaryStore(tmp_path, make_space()), range(N))
    (store.folder / "about.json").write_text("{}")
    keep(store, range(2))
    assert store.missing(map(content, range(N))) == [content(i) for i in range(2, N)]
    assert "float16" in (store.folder / "about.json").read_text()


def test_a_record_of_another_shape_and_a_missing_photo_are_refused(tmp_path: Path) -> None:
    store = keep(BoundaryStore(tmp_path, make_space()), range(1))
    with store.writing() as out, pytest.raises(ValueError, match="shape"):
        out.append(content(1), record(1)[:3])
    with pytest.raises(PhotograftError, match="Run the command again"):
        store.records([content(0), content(1)])


def test_a_space_that_was_cleared_meanwhile_can_still_be_read_and_is_filled_again(tmp_path: Path) -> None:
    store = keep(BoundaryStore(tmp_path, make_space()), range(N))
    if os.name == "posix":  # Windows keeps files that are open
        shutil.rmtree(store.folder)
        assert store.read(np.array([2]), np.array([1]))[1].tolist() == [record(2)[1, -3:].tolist()]
    else:
        shutil.rmtree(store.folder, ignore_errors=True)
    assert len(keep(BoundaryStore(tmp_path, make_space()), range(N)).records(map(content, range(N)))) == N


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "boundaries").write_text("a file")
    store = BoundaryStore(tmp_path, make_space())
    with pytest.raises(PhotograftError, match=r"cache\.dir"):
        keep(store, range(1))


def test_room_is_made_of_the_spaces_used_longest_ago(tmp_path: Path) -> None:
    spaces = [make_space(network=name) for name in "abc"]
    for age, space in enumerate(spaces):
        store = keep(BoundaryStore(tmp_path, space), range(N))
        os.utime(store.folder / "about.json", (1e9 - age, 1e9 - age))
    new = BoundaryStore(tmp_path, make_space())
    size = new.space.estimate_bytes(N)
    assert new.make_room(map(content, range(N)), budget_bytes=int(3.2 * size)) == size
    left = {folder.name for folder in boundary_folder(tmp_path).iterdir() if folder.is_dir()}
    assert left == {spaces[0].id, spaces[1].id}
    with locked(boundary_folder(tmp_path) / spaces[1].id):  # another run writes it
        new.make_room(map(content, range(N)), budget_bytes=int(2.2 * size))
    left = {folder.name for folder in boundary_folder(tmp_path).iterdir() if folder.is_dir()}
    assert left == {spaces[1].id}


def test_what_does_not_fit_is_refused_before_anything_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = keep(BoundaryStore(tmp_path, make_space(network="old")), range(N))
    new = BoundaryStore(tmp_path, make_space())
    with pytest.raises(ConfigError, match=r"train\.boundary_gb"):
        new.make_room(map(content, range(N)), budget_bytes=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 100))
    with pytest.raises(ConfigError, match=r"cache\.dir"):
        new.make_room(map(content, range(3 * N)), budget_bytes=10**9)
    assert len(BoundaryStore(tmp_path, old.space).records(map(content, range(N)))) == N


def test_a_space_full_of_other_photos_begins_anew(tmp_path: Path) -> None:
    store = keep(BoundaryStore(tmp_path, make_space()), range(N))
    budget = int(1.5 * store.space.estimate_bytes(N))
    assert store.make_room([content(i) for i in range(N)], budget_bytes=budget) == 0
    assert store.make_room([content(i) for i in range(N + 1)], budget_bytes=budget) == store.space.estimate_bytes(1)
    others = [content(i) for i in range(3, 3 + N)]
    assert store.make_room(others, budget_bytes=int(1.2 * store.space.estimate_bytes(N))) > 0
    assert store.missing(others) == others
