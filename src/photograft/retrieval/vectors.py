"""Vectors in one .npy file each: rows of length 1, written in blocks and mapped when read.

Shape letters: N photos, D numbers per photo, B photos of a block.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from photograft.errors import IntegrityError
from photograft.retrieval.exact import Vectors
from photograft.tracking.atomic import replacing
from photograft.values import IntArray

HALF, SINGLE = np.dtype("<f2"), np.dtype("<f4")
"""What the embeddings of an index are kept as, which nothing is compared with, and what is compared."""

BLOCK = 4096


def write_vectors(file: Path, blocks: Iterable[Vectors], *, n: int, size: int, kind: np.dtype[Any]) -> str:
    """Write N vectors, whole or not at all; gives the SHA-256 of the file."""
    digest = hashlib.sha256()
    written = 0
    with replacing(file) as temporary, temporary.open("wb") as opened:
        header = {"descr": kind.str, "fortran_order": False, "shape": (n, size)}
        np.lib.format.write_array_header_1_0(opened, header)
        opened.flush()
        digest.update(temporary.read_bytes())
        for block_BD in blocks:
            content = np.ascontiguousarray(block_BD, dtype=kind).tobytes()
            opened.write(content)
            digest.update(content)
            written += len(block_BD)
        if written != n:
            raise ValueError(f"{written} vectors were given, not {n}")
    return digest.hexdigest()


def open_vectors(file: Path, *, n: int, size: int, kind: np.dtype[Any]) -> Vectors:
    """The vectors (N, D), mapped from their file where there are any.

    Raises:
        FileNotFoundError: It is not there.
        IntegrityError: It is no file of that many vectors.
    """
    if not n:
        file.stat()
        return np.zeros((0, size), kind)
    try:
        vectors_ND = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{file} is damaged ({error})") from error
    if vectors_ND.shape != (n, size) or vectors_ND.dtype != kind:
        raise IntegrityError(f"{file} is damaged: it holds {vectors_ND.shape}, not {(n, size)} numbers")
    return np.asarray(vectors_ND)


def rows_in_blocks(vectors_ND: Vectors, rows: IntArray) -> Iterator[Vectors]:
    """Yield the given rows in blocks."""
    for start in range(0, len(rows), BLOCK):
        yield vectors_ND[rows[start : start + BLOCK]]


def digest_of(file: Path) -> str:
    """SHA-256 of a file, without leaving it in this process's memory."""
    with file.open("rb") as opened:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return hashlib.file_digest(opened, "sha256").hexdigest()
