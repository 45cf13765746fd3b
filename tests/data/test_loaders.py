from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from photograft.data.loaders import PictureStore, PixelInputs
from photograft.errors import PhotograftError
from photograft.values import PixelArray

N, PX, SOURCE = 7, 8, 10
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX limits")


def draw(n: int, px: int) -> PixelArray:
    return np.random.default_rng(px).integers(0, 256, (n, px, px, 3), dtype=np.uint8)


def keep(folder: Path, px: int) -> PictureStore:
    pixels = draw(N, px)
    return PictureStore(N, px, folder=folder).fill((row, pixels[row]) for row in (3, 0, 1, 6, 5, 4, 2))


def describe(source_HWC: PixelArray, content: str, number: int) -> PixelArray:
    """A copy that says what it was made of."""
    copy = source_HWC[:PX, :PX].copy()
    copy[0, 0] = (int(content), number, 99)
    return copy


def test_pictures_are_read_in_any_order_and_leave_no_file_behind(tmp_path: Path) -> None:
    store = keep(tmp_path / "사진 cache", PX)
    rows = np.array([5, 0, 5, 6])
    assert np.array_equal(store.read(rows), draw(N, PX)[rows])
    assert store.read(rows).flags.writeable and store.read(rows[:0]).shape == (0, PX, PX, 3)
    if os.name == "posix":
        assert list((tmp_path / "사진 cache").iterdir()) == []


def test_pictures_of_another_size_and_rows_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    for row, px in ((0, PX + 1), (N, PX), (-1, PX)):
        with pytest.raises(ValueError, match="row"):
            PictureStore(N, PX, folder=tmp_path).fill([(row, draw(1, px)[0])])


@posix
def test_a_full_disk_names_the_setting(tmp_path: Path) -> None:
    import resource

    store = PictureStore(N, PX, folder=tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 3 * PX * PX, limits[1]))
        with pytest.raises(PhotograftError, match=r"cache\.dir"):
            store.fill(enumerate(draw(N, PX)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (tmp_path / "file").write_text("")
    with pytest.raises(PhotograftError, match=r"cache\.dir"):
        PictureStore(N, PX, folder=tmp_path / "file").fill([])


def test_plain_pixels_are_the_photo_and_its_mirror_image(tmp_path: Path) -> None:
    inputs = PixelInputs(keep(tmp_path, PX), None, list("0123456"), None, n_plain=2)
    rows = np.array([6, 2])
    assert np.array_equal(inputs.plain(rows, view=0)[0], draw(N, PX)[rows])
    assert np.array_equal(inputs.plain(rows, view=1)[0], draw(N, PX)[rows][:, :, ::-1])
    assert np.array_equal(inputs.changed(rows, epoch=3)[0], draw(N, PX)[rows])  # nothing changes them
    inputs.close()


@pytest.mark.parametrize("threads", (1, 3))
def test_changed_pixels_come_from_the_larger_picture_content_and_epoch(tmp_path: Path, threads: int) -> None:
    before = threading.active_count()
    inputs = PixelInputs(
        keep(tmp_path, PX), keep(tmp_path, SOURCE), list("9876543"), describe, n_plain=1, threads=threads
    )
    rows = np.array([4, 4, 0, 1, 6])
    expected = draw(N, SOURCE)[rows][:, :PX, :PX]
    expected[:, 0, 0] = [(9 - row, 11, 99) for row in rows]
    for _ in range(3):
        assert np.array_equal(inputs.changed(rows, epoch=11)[0], expected)
    inputs.close()
    assert threading.active_count() == before
