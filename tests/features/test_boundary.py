from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from photograft.errors import ModelError, PhotograftError
from photograft.features.boundary import BoundaryInputs, Front, fill
from photograft.features.boundary_store import BoundaryStore
from photograft.tracking.boundary_files import locked
from photograft.values import PixelArray

from .fronts import COPIES, content, draw, make_space, record, shift, write_front

N = 40
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and limits")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_front(tmp_path_factory.mktemp("front") / "앞 front.onnx")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, front: Path) -> BoundaryStore:
    """The records of all photos, filled at one go."""
    store = BoundaryStore(tmp_path_factory.mktemp("unbroken"), make_space())
    assert fill(map(draw, range(N)), store, Front(front), shift, threads=2) == N
    return store


def files(store: BoundaryStore) -> tuple[bytes, bytes]:
    return (store.folder / "records.bin").read_bytes(), (store.folder / "index").read_bytes()


def start(cache: Path, front: Path, first: int, end: int, pause_s: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.features.fronts", *map(str, (cache, front, first, end, pause_s))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_records_equal_a_recomputation_in_numpy(unbroken: BoundaryStore) -> None:
    rows = unbroken.records([content(i) for i in range(N)])
    for view in range(2 + COPIES):
        map_BCHW, mean_BC = unbroken.read(rows, np.full(N, view))
        assert map_BCHW.shape == (N, 3, 8, 8) and mean_BC.shape == (N, 3) and map_BCHW.dtype == np.float16
        expected_BE = np.stack([record(i)[view] for i in range(N)])
        np.testing.assert_allclose(map_BCHW.reshape(N, -1), expected_BE[:, :-3], rtol=1e-3)
        np.testing.assert_allclose(mean_BC, expected_BE[:, -3:], rtol=1e-3)


def test_a_record_depends_neither_on_the_order_nor_on_the_number_of_threads(
    unbroken: BoundaryStore, front: Path, tmp_path: Path
) -> None:
    order = random.Random(0).sample(range(N), N)
    other = BoundaryStore(tmp_path, make_space())
    fill(map(draw, order), other, Front(front), shift, threads=3)
    contents = [content(i) for i in range(N)]
    assert files(other)[0] != files(unbroken)[0]
    for view in range(2 + COPIES):
        ours, theirs = (store.read(store.records(contents), np.full(N, view)) for store in (unbroken, other))
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@posix
def test_a_fill_killed_again_and_again_leaves_the_files_of_one_that_was_not(
    unbroken: BoundaryStore, front: Path, tmp_path: Path
) -> None:
    rng, n_before = random.Random(time.time_ns()), 0
    for _ in range(3):
        with start(tmp_path, front, 0, N, 0.03) as process:
            assert process.stdout is not None and process.stdout.readline() == "begin\n"
            time.sleep(rng.uniform(0.05, 1.2))
            process.send_signal(signal.SIGKILL)
        n_after = N - len(BoundaryStore(tmp_path, make_space()).missing(map(content, range(N))))
        assert n_after >= n_before
        n_before = n_after
    store = BoundaryStore(tmp_path, make_space())
    assert fill(map(draw, range(N)), store, Front(front), shift) == N - n_before
    assert files(store) == files(unbroken)


def test_two_processes_fill_one_space_in_turn(front: Path, tmp_path: Path) -> None:
    store = BoundaryStore(tmp_path, make_space())
    with locked(store.folder):
        processes = [start(tmp_path, front, 0, 20, 0.0), start(tmp_path, front, 30, 10, 0.0)]
        for process in processes:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(2)] == ["begin\n", "waiting\n"]
    n_filled = [int(process.communicate()[0]) for process in processes]
    assert sorted(n_filled) in ([10, 20],) and [process.returncode for process in processes] == [0, 0]
    store.refresh()
    assert len(files(store)[1].splitlines()) == 30 and store.missing(map(content, range(30))) == []


@posix
def test_a_full_disk_names_the_settings_and_keeps_what_is_there(
    unbroken: BoundaryStore, front: Path, tmp_path: Path
) -> None:
    import resource

    store = BoundaryStore(tmp_path, make_space())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(10.5 * store.space.record_bytes), limits[1]))
        with pytest.raises(PhotograftError, match=r"(?s)cache\.dir.*train\.boundary_gb"):
            fill(map(draw, range(N)), store, Front(front), shift)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert fill(map(draw, range(N)), store, Front(front), shift) > 0
    assert files(store) == files(unbroken)


def test_photos_are_read_a_few_ahead_only(front: Path, tmp_path: Path) -> None:
    done: list[int] = []
    ahead: list[int] = []

    def photos() -> Iterator[tuple[str, PixelArray, PixelArray]]:
        for i in range(N):
            ahead.append(i - len(done))
            yield draw(i)

    fill(
        photos(), BoundaryStore(tmp_path, make_space()), Front(front), shift, threads=2, advance=lambda: done.append(1)
    )
    assert len(done) == N and max(ahead) <= 5


def test_a_photo_that_stands_twice_is_run_once(front: Path, tmp_path: Path) -> None:
    store = BoundaryStore(tmp_path, make_space())
    assert fill(map(draw, (1, 2, 1, 1)), store, Front(front), shift) == 2
    assert fill(map(draw, (2, 1, 3)), store, Front(front), shift) == 1
    assert store.records([content(i) for i in (3, 1, 3)]).tolist() == [2, 0, 2]


def test_an_error_while_reading_photos_keeps_what_is_done_and_is_passed_on(front: Path, tmp_path: Path) -> None:
    def photos() -> Iterator[tuple[str, PixelArray, PixelArray]]:
        yield from map(draw, range(8))
        raise FileNotFoundError("photo.jpg")

    store = BoundaryStore(tmp_path, make_space())
    with pytest.raises(FileNotFoundError, match=r"photo\.jpg"):
        fill(photos(), store, Front(front), shift, threads=1)
    assert 0 < len(store.missing(map(content, range(8)))) < 8


def test_changed_copies_and_the_photo_take_turns(unbroken: BoundaryStore) -> None:
    inputs = BoundaryInputs(unbroken, [content(i) for i in range(N)])
    assert inputs.n_plain == 2
    row_B = np.array([7, 0, 12, 7])
    seen = [{inputs.changed(row_B, epoch=epoch)[0][b].tobytes() for epoch in range(COPIES + 1)} for b in range(4)]
    for row, views in zip(row_B, seen, strict=True):
        number = unbroken.records([content(row)])
        expected = {unbroken.read(number, np.array([v]))[0].tobytes() for v in (0, *range(2, 2 + COPIES))}
        assert views == expected  # the mirrored view is not among them
    same = inputs.changed(row_B, epoch=5), inputs.changed(row_B, epoch=5 + COPIES + 1)
    assert all(np.array_equal(a, b) for a, b in zip(*same, strict=True))
    chosen = [inputs.changed(np.arange(N), epoch=2)[0][row] for row in range(N)]
    plain = inputs.plain(np.arange(N), view=0)[0]
    assert sum(np.array_equal(a, b) for a, b in zip(chosen, plain, strict=True)) == N // (COPIES + 1)


def test_without_copies_the_plain_view_trains(front: Path, tmp_path: Path) -> None:
    store = BoundaryStore(tmp_path, replace(make_space(), n_copies=0))
    photos = ((name, plain_VHWC, None) for name, plain_VHWC, _ in map(draw, range(3)))
    fill(photos, store, Front(front), None)
    inputs = BoundaryInputs(store, [content(2), content(0)])
    for epoch in range(3):
        changed, plain = inputs.changed(np.array([1, 0]), epoch=epoch), inputs.plain(np.array([1, 0]), view=0)
        assert all(np.array_equal(a, b) for a, b in zip(changed, plain, strict=True))


def test_values_beyond_float16_are_clipped(tmp_path: Path) -> None:
    white = np.full((32, 32, 3), 255, np.uint8)
    for scale in (1e6, -1e6):
        values_E = Front(write_front(tmp_path / "front.onnx", scale=scale))(white)
        assert set(values_E.tolist()) == {np.sign(scale) * 65504.0}


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "front.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"front\.onnx is not a network"):
        Front(tmp_path / "front.onnx")
