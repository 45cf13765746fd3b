"""Matrices with one row per photo that need not fit into memory: written and read in blocks of rows.

Shape letters: N photos, D numbers per photo, B photos of a block.

A large matrix is a temporary file that is mapped into memory. Mapped pages count as memory of this process until they
are given back, which `row_blocks` does behind every block; the system keeps the file's pages while it has room, so
that reading them again is as fast as from memory. The file has no name (POSIX) or goes with its last handle (Windows):
a program that is killed leaves nothing behind.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from photograft.errors import PhotograftError
from photograft.values import FloatArray, IntArray

_BLOCK_BYTES = 32_000_000


@dataclass(frozen=True)
class Scratch:
    """Where matrices of more than `limit_bytes` are kept: in temporary files in `folder`, the others in memory."""

    folder: Path
    limit_bytes: int = 128_000_000


def stack_rows(blocks: Iterable[FloatArray], n_rows: int, *, scratch: Scratch | None = None) -> FloatArray:
    """The (N, D) matrix of consecutive blocks of rows: at least one, `n_rows` rows in all.

    It is in memory without `scratch`, and where its folder cannot be written; a matrix in a file is read-only.

    Raises:
        PhotograftError: The disk has no room for it.
    """
    iterator = iter(blocks)
    first_BD = next(iterator)
    every = chain([first_BD], iterator)
    n_bytes = n_rows * first_BD.shape[1] * 4
    file = _open(scratch.folder) if scratch is not None and n_bytes > scratch.limit_bytes else None
    if file is not None:
        with file:
            for block_BD in every:
                _write(file, block_BD, n_bytes)
            mapping = mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ)
        return np.frombuffer(mapping, np.float32).reshape(n_rows, -1)
    matrix_ND = np.empty((n_rows, first_BD.shape[1]), np.float32)
    done = 0
    for block_BD in every:
        matrix_ND[done : done + len(block_BD)] = block_BD
        done += len(block_BD)
    return matrix_ND


def row_blocks(matrix_ND: FloatArray, rows: IntArray | None = None) -> Iterator[tuple[slice, FloatArray]]:
    """Yield every block of the matrix, or of the given rows of it, with its place among them: at least one block.

    A matrix that is in a file takes the memory of one block.
    """
    n = len(matrix_ND) if rows is None else len(rows)
    size = _block_rows(matrix_ND.shape[1])
    for start in range(0, max(n, 1), size):
        place = slice(start, min(start + size, n))
        yield place, matrix_ND[place if rows is None else rows[place]]
        release(matrix_ND)


def block_bytes(n_rows: int, n_columns: int) -> int:
    """Memory that one block of a matrix of this size takes."""
    return 4 * n_columns * min(n_rows, _block_rows(n_columns))


def resident_bytes(n_rows: int, n_columns: int) -> int:
    """Memory that a matrix of this size takes where there is a scratch folder: one in a file only that of a block."""
    n_bytes = 4 * n_rows * n_columns
    return n_bytes if n_bytes <= Scratch.limit_bytes else block_bytes(n_rows, n_columns)


def _block_rows(n_columns: int) -> int:
    return max(_BLOCK_BYTES // (4 * max(n_columns, 1)), 1)


def release(matrix_ND: npt.NDArray[Any]) -> None:
    """Give the memory back in which parts of a matrix that is in a file were read; it can be read on."""
    mapping = file_mapping(matrix_ND)
    if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        mapping.madvise(mmap.MADV_DONTNEED)


def file_mapping(matrix_ND: npt.NDArray[Any]) -> mmap.mmap | None:
    """The mapped file behind a matrix or a part of it, None where it is in memory."""
    base: object = matrix_ND
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return base if isinstance(base, mmap.mmap) else None


def _open(folder: Path) -> IO[bytes] | None:
    """A temporary file without a buffer: closing a full one would fail again; None where there cannot be one."""
    try:
        return tempfile.TemporaryFile(dir=folder, prefix="matrix-", buffering=0)
    except OSError:
        return None


def _write(file: IO[bytes], block_BD: FloatArray, n_bytes: int) -> None:
    try:
        left = np.ascontiguousarray(block_BD, dtype=np.float32).reshape(-1).view(np.uint8).data
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise PhotograftError(
            f"Training needs a temporary file of {n_bytes / 1e9:.1f} GB in the cache folder, which could not be "
            f"written ({error}). Make room there, or set cache.dir to a folder on a larger disk."
        ) from error
