"""Photos for training that reads pixels: decoded once, kept in a temporary file, changed anew for every epoch.

Shape letters: N photos, B photos of a batch, H and W rows and columns of pixels, C colours.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, final

import numpy as np

from photograft.errors import PhotograftError
from photograft.values import IntArray, PixelArray

Change = Callable[[PixelArray, str, int], PixelArray]
"""A photo's picture, its content and the number of the copy, to the changed copy: `Augmentation.copy`."""


@final
class PictureStore:
    """Decoded pictures of one size, by row, in a temporary file that has no name and goes with the program.

    What is read is in the system's file cache while there is room, and does not count as memory of this process.
    """

    def __init__(self, n_rows: int, px: int, *, folder: Path) -> None:
        """A store for `n_rows` pictures of `px` x `px` in `folder`."""
        self.px = px
        self._n_rows = n_rows
        self._folder = folder
        self._map: mmap.mmap | None = None
        self._file: IO[bytes] | None = None

    @property
    def place(self) -> str:
        """Where other processes of this machine find the filled file while this one lives; "" where they cannot."""
        proc = Path("/proc/self/fd")
        return f"/proc/{os.getpid()}/fd/{self._file.fileno()}" if self._file is not None and proc.is_dir() else ""

    def open(self, place: str) -> PictureStore:
        """Read what a store of another process holds, at its `place`; gives the store.

        Raises:
            OSError: it cannot be opened.
        """
        with Path(place).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), self._n_rows * 3 * self.px**2, access=mmap.ACCESS_READ)
        return self

    def fill(self, pictures: Iterable[tuple[int, PixelArray]], *, shared: bool = False) -> PictureStore:
        """Keep every (row, pixels (px, px, 3) uint8), in any order; gives the store.

        With `shared` it has a `place` until it is closed.

        Raises:
            PhotograftError: The folder cannot be written, or the disk has no room.
        """
        picture_bytes = 3 * self.px * self.px
        with self._explained():
            self._folder.mkdir(parents=True, exist_ok=True)
            file = _open(self._folder)
        try:
            for row, pixels_HWC in pictures:
                if pixels_HWC.shape != (self.px, self.px, 3) or not 0 <= row < self._n_rows:
                    raise ValueError(f"row {row} of {self._n_rows}: {pixels_HWC.shape}, not {self.px} px")
                with self._explained():
                    file.seek(row * picture_bytes)
                    left = np.ascontiguousarray(pixels_HWC).reshape(-1).data
                    while left:
                        left = left[file.write(left) :]
            with self._explained():
                file.truncate(self._n_rows * picture_bytes)
                self._map = mmap.mmap(file.fileno(), self._n_rows * picture_bytes, access=mmap.ACCESS_READ)
            self._file = file if shared else None
        finally:
            if self._file is None:
                file.close()
        return self

    def close(self) -> None:
        """Have no `place` any more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self, row_B: IntArray) -> PixelArray:
        """The pictures of some rows: a copy, shape (B, px, px, 3)."""
        assert self._map is not None, "fill comes first"
        shape = (self._n_rows, self.px, self.px, 3)
        pixels_BHWC = np.frombuffer(self._map, np.uint8).reshape(shape)[row_B]
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows; else the whole file would in time count as memory
            self._map.madvise(mmap.MADV_DONTNEED)
        return pixels_BHWC

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PhotograftError(
                f"Training needs a temporary file of {3e-9 * self._n_rows * self.px**2:.1f} GB in {self._folder}, "
                f"which could not be written ({error}). Make room there, or set cache.dir to a folder on a larger disk."
            ) from error


def _open(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder, prefix="pictures-", buffering=0)


def _mirrored(pixels_BHWC: PixelArray, view: int) -> PixelArray:
    """View 0 as it is, view 1 mirrored left to right."""
    return pixels_BHWC[:, :, ::-1] if view else pixels_BHWC


@final
class PixelInputs:
    """Training reads pixels (`training.inputs.Inputs`): every epoch has a changed copy of its own."""

    def __init__(
        self,
        plain: PictureStore,
        sources: PictureStore | None,
        contents: Sequence[str],
        change: Change | None,
        *,
        n_plain: int,
        look: Callable[[PixelArray, int], PixelArray] = _mirrored,
        threads: int = 2,
    ) -> None:
        """Read photos (by `contents`, one per row) as the contract gives them, and copies cut from larger `sources`.

        Without `sources` and `change` photos are trained on as they are. `look` gives the plain view of that number of
        the contract's pixels (B, px, px, 3). A batch is changed by `threads` threads.
        """
        self.n_plain = n_plain
        self._plain = plain
        self._look = look
        self._sources = sources
        self._contents = contents
        self._change = change
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="photograft-change")

    def plain(self, row_B: IntArray, *, view: int) -> tuple[PixelArray]:
        """One view of the contract's pixels, uint8."""
        return (np.ascontiguousarray(self._look(self._plain.read(row_B), view)),)

    def changed(self, row_B: IntArray, *, epoch: int) -> tuple[PixelArray]:
        """One changed copy (B, px, px, 3) uint8 of each photo for this epoch."""
        change = self._change
        if change is None or self._sources is None:
            return self.plain(row_B, view=0)
        contents = [self._contents[row] for row in row_B]
        sources_BHWC = self._sources.read(row_B)
        copies = self._threads.map(
            lambda source_HWC, content: change(source_HWC, content, epoch), sources_BHWC, contents
        )
        return (np.stack(list(copies)),)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()
        for store in (self._plain, self._sources):
            if store is not None:
                store.close()
