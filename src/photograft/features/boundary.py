"""The frozen part of a network: run once per photo and view, kept on disk, and read from there in every epoch.

Every photo-view is a call of its own: on a CPU that is faster than batches, which push the middle layers out of the
processor's cache, and no photo's values depend on which others stand beside it. Photos are spread over threads.

Shape letters: B photos of a batch, V views, E numbers of one view, H and W rows and columns of pixels, C colours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import final

import numpy as np
import onnxruntime

from photograft.errors import ModelError
from photograft.features.boundary_store import BoundaryStore, HalfArray, Shape
from photograft.models.device import usable_cores
from photograft.values import IntArray, PixelArray

Change = Callable[[PixelArray, str, int], PixelArray]
"""A photo's larger picture, its content and the number of the copy, to the changed copy: `Augmentation.copy`."""

_LARGEST = 65504.0
"""The largest float16."""
_AHEAD = 2
"""Photos per thread that are read ahead."""


@final
class Front:
    """The frozen part in ONNX Runtime: pixels of one photo to the boundary's values, from any thread."""

    def __init__(self, network: Path) -> None:
        """Load an ONNX file with the input `pixels` (N, px, px, 3) uint8.

        Raises:
            ModelError: It cannot be loaded.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # threads take photos each: faster than sharing every operation of one
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
            self.px = int(self._session.get_inputs()[0].shape[1])
            self.names: tuple[str, ...] = tuple(output.name for output in self._session.get_outputs())
        except Exception as error:  # onnxruntime raises many types of its own, all meaning the same here
            raise ModelError(f"{network} is not a network that ONNX Runtime can load: {error}") from error
        blank = self._session.run(None, {"pixels": np.zeros((1, self.px, self.px, 3), np.uint8)})
        self.shapes: tuple[Shape, ...] = tuple(array.shape[1:] for array in blank)

    def __call__(self, pixels_HWC: PixelArray) -> HalfArray:
        """All arrays of the boundary for one photo, one after the other, shape (E,) float16."""
        arrays = self._session.run(None, {"pixels": np.ascontiguousarray(pixels_HWC)[None]})
        values_E = np.concatenate([array.reshape(-1) for array in arrays])
        half_E: HalfArray = np.clip(values_E, -_LARGEST, _LARGEST).astype(np.float16)
        return half_E


def fill(
    photos: Iterable[tuple[str, PixelArray, PixelArray | None]],
    store: BoundaryStore,
    front: Callable[[PixelArray], HalfArray],
    change: Change | None,
    *,
    threads: int | None = None,
    advance: Callable[[], None] = lambda: None,
    waiting: Callable[[], None] = lambda: None,
) -> int:
    """Run the frozen part over every view of photos that have no record yet; gives the number of photos run.

    `photos` are (content, plain views (V, px, px, 3), larger picture (s, s, 3)), the latter needed where there are
    changed copies. They are read in this thread, a few ahead, and written in their order, so that an interrupted run
    that goes on leaves the same files as one that was not. `advance` is called for each.

    Raises:
        PhotograftError: The disk is full, or cannot be written.
    """
    threads = threads or usable_cores()
    started: set[str] = set()
    pending: deque[tuple[str, Future[HalfArray]]] = deque()

    def work(content: str, plain_VHWC: PixelArray, source_HWC: PixelArray | None) -> HalfArray:
        views = list(plain_VHWC)
        if store.space.n_copies:
            assert change is not None and source_HWC is not None
            views += [change(source_HWC, content, number) for number in range(store.space.n_copies)]
        return np.stack([front(pixels_HWC) for pixels_HWC in views])

    with (
        ThreadPoolExecutor(threads, thread_name_prefix="photograft-front") as pool,
        store.writing(waiting=waiting) as out,
    ):
        try:
            for photo in photos:
                if photo[0] in out or photo[0] in started:
                    advance()
                    continue
                started.add(photo[0])
                pending.append((photo[0], pool.submit(work, *photo)))
                if len(pending) > _AHEAD * threads:
                    content, record = pending.popleft()
                    out.append(content, record.result())
                    advance()
            while pending:
                content, record = pending.popleft()
                out.append(content, record.result())
                advance()
        finally:
            for _, record in pending:
                record.cancel()
    return len(started)


@final
class BoundaryInputs:
    """Training reads kept outputs of the frozen part (`training.inputs.Inputs`)."""

    def __init__(self, store: BoundaryStore, contents: Sequence[str]) -> None:
        """Read the photos with these contents, one per row.

        Raises:
            PhotograftError: Some have no record.
        """
        self.n_plain = store.space.n_plain
        self._store = store
        self._record_N = store.records(contents)

    def plain(self, row_B: IntArray, *, view: int) -> tuple[HalfArray, ...]:
        """The boundary for a plain view of some photos: float16, (B, *shape) each."""
        return self._store.read(self._record_N[row_B], np.full(len(row_B), view, np.int64))

    def changed(self, row_B: IntArray, *, epoch: int) -> tuple[HalfArray, ...]:
        """The boundary for the view whose turn it is: the changed copies, and the photo as it is, by row and epoch."""
        turn_B = (row_B + epoch) % (self._store.space.n_copies + 1)
        view_B = np.where(turn_B == 0, 0, self.n_plain + turn_B - 1)
        return self._store.read(self._record_N[row_B], view_B)
