"""Pictures of a run's photos for a page: decoded in killable processes as everywhere, encoded anew, kept in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from photograft.config import Config
from photograft.contract import Box, make_contract
from photograft.data.boxes import settled_annotation
from photograft.data.files import PhotoFiles, open_files
from photograft.data.hashing import hash_bytes
from photograft.data.pool import DecodePool
from photograft.errors import DataError, ImageRejected
from photograft.reporting.thumbnails import make_thumbnail
from photograft.values import Photo

LARGE_PX, SMALL_PX = 800, 240
_KEPT = 600


class PhotoPictures:
    """JPEGs of photos, to be used as a context manager and from as many threads as wanted."""

    def __init__(self, root: Path, config: Config) -> None:
        self._data, self._root = config.data, root
        contract = make_contract(
            LARGE_PX, max_pixels=self._data.max_pixels, formats=self._data.formats, box=Box(source="csv")
        )
        self._pool = DecodePool(contract, timeout_s=self._data.timeout_s)
        self._files: PhotoFiles | None = None
        self._open = ExitStack()
        self._reading, self._keeping = threading.Lock(), threading.Lock()
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def jpeg(self, photo: Photo, *, side: int) -> bytes:
        """A JPEG without metadata, `side` pixels long at most, of the box where the photo has one.

        Raises:
            ImageRejected: The photo is not there any more, was changed since the run, or cannot be decoded.
        """
        kept = self._find(photo, side)
        if kept is not None:
            return kept
        decoded = self._pool.decode(self._read(photo), settled_annotation(photo.box) if photo.box else None)
        left, top, right, bottom = decoded.box or (0, 0, decoded.width, decoded.height)
        width, height = right - left, bottom - top
        for each in {LARGE_PX, SMALL_PX, side}:
            shown = min(each, max(width, height))
            self._keep(photo, each, make_thumbnail(decoded.pixels, width=width, height=height, side=shown))
        found = self._find(photo, side)
        assert found is not None
        return found

    def __enter__(self) -> Self:
        """Open the folder or archive; where it is gone, every photo is rejected."""
        try:
            self._files = self._open.enter_context(open_files(self._root))
        except DataError:
            self._files = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.close()
        self._open.close()

    def _read(self, photo: Photo) -> bytes:
        if self._files is None:
            raise ImageRejected("unreadable", "the folder of the photos is not there")
        with self._reading:  # an archive has one place that it reads at
            content, _ = self._files.read(photo.path, max_file_mb=self._data.max_file_mb)
        if hash_bytes(content) != photo.sha256:
            raise ImageRejected("unreadable", "the photo was changed since the run")
        return content

    def _find(self, photo: Photo, side: int) -> bytes | None:
        with self._keeping:
            key = (photo.content, side)
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, photo: Photo, side: int, jpeg: bytes) -> None:
        with self._keeping:
            self._kept[photo.content, side] = jpeg
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
