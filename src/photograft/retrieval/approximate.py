"""The rows of a large matrix that are nearest to a query, found among a few of its rows: a faiss index as a cache.

Rows are divided into lists around centres, and in each is kept one byte per main direction of the rows. A query is
compared with the lists around it, and the best of what they hold with the rows themselves: so cosines are exact,
and only which rows are found is not (decision 27).

The file holds arrays and their SHA-256, and faiss is given arrays: it never parses a file, since what parses a damaged
one may end the process. What is missing, damaged or of other rows is made again.

Shape letters: N rows, Q queries, D numbers per vector, E main directions, L lists, T rows that are asked for.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from photograft.features.matrix import release
from photograft.retrieval.exact import Vectors, nearest, rank, unit_length
from photograft.tracking.atomic import replacing
from photograft.values import BoolArray, FloatArray, IntArray

EXACT_ROWS = 200_000
"""Up to so many rows, comparing with all is fast enough, and never wrong."""

FILE = "approximate.safetensors"

_REVISION = "1"
_DIRECTIONS = 256
_PROBED = 64
"""Lists that a query is compared with, of about 2,000 at a million rows."""
_CANDIDATES = 20
"""Rows per row asked for whose cosine is computed."""
_FEW = 10_000
"""So few rows are compared one by one, whatever their number in all."""
_CHANGED = 0.3
"""Share of rows that may come or go before lists are made anew: they would no longer lie where the rows are."""
_SAMPLE_PER_LIST = 40
_BLOCK = 16_384

_Tensors = dict[str, np.ndarray]


class Approximate:
    """The index of a matrix, ready for queries from many threads. Made by `open_approximate`."""

    def __init__(self, vectors_ND: Vectors, tensors: _Tensors, faiss: Any) -> None:
        self._vectors_ND = vectors_ND
        self._basis_DE = tensors["basis"]
        self._faiss = faiss
        self._index = _assemble(tensors, faiss)

    def nearest(
        self, query_QD: FloatArray, *, top: int, among_N: BoolArray | None = None
    ) -> tuple[IntArray, FloatArray]:
        """Find for each query the `top` rows of highest cosine, as `exact.nearest`; a few rows may be missed.

        Where only few rows are allowed, or very many asked for, all are compared.
        """
        n_allowed = len(self._vectors_ND) if among_N is None else int(np.count_nonzero(among_N))
        n_candidates = _CANDIDATES * max(top, 10)
        if n_allowed <= max(_FEW, n_candidates) or n_candidates > _FEW:
            return nearest(self._vectors_ND, query_QD, top=top, among_N=among_N)
        query_QD = unit_length(query_QD)
        rows_QT = np.full((len(query_QD), top), -1, dtype=np.int64)
        cosine_QT = np.full((len(query_QD), top), np.nan, dtype=np.float32)
        chosen = None if among_N is None else np.packbits(among_N, bitorder="little")
        probed = min(self._index.nlist, -(-_PROBED * len(self._vectors_ND) // n_allowed))
        for q, query_D in enumerate(query_QD):
            point_1E = np.ascontiguousarray(query_D[None] @ self._basis_DE)
            found_C = self._candidates(point_1E, n_candidates, probed, chosen)
            if len(found_C) < n_candidates:  # the lists around the query hold few of the rows that are allowed
                found_C = self._candidates(point_1E, n_candidates, self._index.nlist, chosen)
            rows, cosines = rank(self._vectors_ND, query_D, found_C, top=top)
            rows_QT[q, : len(rows)], cosine_QT[q, : len(rows)] = rows, cosines
        return rows_QT, cosine_QT

    def _candidates(self, point_1E: FloatArray, n: int, probed: int, chosen: npt.NDArray[np.uint8] | None) -> IntArray:
        selector = None
        if chosen is not None:
            selector = self._faiss.IDSelectorBitmap(8 * len(chosen), self._faiss.swig_ptr(chosen))
        parameters = self._faiss.SearchParametersIVF(nprobe=probed, sel=selector)
        _, rows_1C = self._index.search(point_1E, n, params=parameters)
        return np.sort(rows_1C[0][rows_1C[0] >= 0])


def open_approximate(
    vectors_ND: Vectors,
    folder: Path,
    *,
    key: str,
    say: Callable[[str], None] = lambda _: None,
    exact_rows: int = EXACT_ROWS,
) -> Approximate | None:
    """Open the index of these rows, kept in `folder`; None where `exact.nearest` is to be used.

    That is up to `exact_rows` rows, and without faiss, which `say` is told. `key` names the rows: rows of another key
    are compared with those that the file was made of, and only new ones are added if they are few.
    """
    if len(vectors_ND) <= exact_rows:
        return None
    try:
        faiss = importlib.import_module("faiss")
    except ImportError:
        say(
            f"Each search compares all {len(vectors_ND):,} photos, which is slower than need be: "
            "pip install 'photograft[faiss]' searches so many in milliseconds."
        )
        return None
    file = folder / FILE
    kept = _read(file, vectors_ND.shape[1])
    if kept is not None and kept[1] == key and len(kept[0]["identity"]) == len(vectors_ND):
        return Approximate(vectors_ND, kept[0], faiss)
    tensors = None if kept is None else _brought_up(kept[0], vectors_ND, faiss)
    if tensors is None:
        say(f"Making the index of {len(vectors_ND):,} photos for fast searches, once.")
        tensors = _build(vectors_ND, faiss)
    with suppress(OSError):  # on a disk that cannot be written it is made again the next time
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            save_file(tensors, temporary, metadata={"made_of": _seal(tensors), "key": key})
    return Approximate(vectors_ND, tensors, faiss)


def _build(vectors_ND: Vectors, faiss: Any) -> _Tensors:
    """Find directions and lists on a sample, then put every row into its list."""
    n = len(vectors_ND)
    n_lists = int(2 * n**0.5)
    sample = np.linspace(0, n - 1, min(n, _SAMPLE_PER_LIST * n_lists)).astype(np.int64)
    basis_DE = _main_directions(np.asarray(vectors_ND[sample[:: max(len(sample) // _BLOCK, 1)]], np.float32))
    points_SE = np.concatenate([_points(vectors_ND, some, basis_DE) for some in _parts(sample)])
    limits = {"min_points_per_centroid": 1, "max_points_per_centroid": _SAMPLE_PER_LIST}
    means = faiss.Kmeans(points_SE.shape[1], n_lists, niter=8, seed=0, **limits)
    means.train(points_SE)
    index = _empty(means.centroids, faiss)
    index.train(points_SE)
    return _filled(index, vectors_ND, np.arange(n), basis_DE, np.zeros(n, np.uint64), faiss)


def _brought_up(tensors: _Tensors, vectors_ND: Vectors, faiss: Any) -> _Tensors | None:
    """The kept index without the rows that are gone and with those that came; None where these are many."""
    identity_N = np.empty(len(vectors_ND), np.uint64)
    for some in _parts(np.arange(len(vectors_ND))):
        identity_N[some] = _identity(vectors_ND, some)
        release(vectors_ND)
    _, now, before = np.intersect1d(_numbered(identity_N), _numbered(tensors["identity"]), return_indices=True)
    if len(now) < (1 - _CHANGED) * max(len(identity_N), int(tensors["made"])):
        return None
    row_of = np.full(len(tensors["identity"]), -1)
    row_of[before] = now
    rows = row_of[tensors["rows"]]
    list_of = np.repeat(np.arange(len(tensors["sizes"])), tensors["sizes"])[rows >= 0]
    still = {
        "rows": rows[rows >= 0],
        "codes": tensors["codes"][rows >= 0],
        "sizes": np.bincount(list_of, minlength=len(tensors["sizes"])),
    }
    index = _assemble(tensors | still, faiss)
    new = np.setdiff1d(np.arange(len(identity_N)), now)
    return _filled(index, vectors_ND, new, tensors["basis"], identity_N, faiss) | {"made": tensors["made"]}


def _filled(
    index: Any, vectors_ND: Vectors, new: IntArray, basis_DE: FloatArray, identity_N: npt.NDArray[np.uint64], faiss: Any
) -> _Tensors:
    """Add the new rows to the index, their identities to the others; gives all of it as arrays."""
    for some in _parts(new):
        index.add_with_ids(_points(vectors_ND, some, basis_DE), some)
        identity_N[some] = _identity(vectors_ND, some)
        release(vectors_ND)
    lists = index.invlists
    sizes = np.array([lists.list_size(i) for i in range(index.nlist)], dtype=np.int64)
    rows, codes = np.empty(index.ntotal, np.int64), np.empty((index.ntotal, index.d), np.uint8)
    ends = np.cumsum(sizes)
    for i in np.flatnonzero(sizes).tolist():
        place, size = slice(ends[i] - sizes[i], ends[i]), int(sizes[i])
        rows[place] = faiss.rev_swig_ptr(lists.get_ids(i), size)
        codes[place] = faiss.rev_swig_ptr(lists.get_codes(i), size * index.d).reshape(size, -1)
    return {
        "basis": basis_DE,
        "centres": index.quantizer.reconstruct_n(0, index.nlist),
        "scale": faiss.vector_to_array(index.sq.trained),
        "sizes": sizes,
        "rows": rows,
        "codes": codes,
        "identity": identity_N,
        "made": np.array(index.ntotal),
    }


def _assemble(tensors: _Tensors, faiss: Any) -> Any:
    """The index of faiss that the arrays describe."""
    index = _empty(tensors["centres"], faiss)
    faiss.copy_array_to_vector(tensors["scale"], index.sq.trained)
    index.is_trained = True
    rows, codes = np.ascontiguousarray(tensors["rows"], np.int64), np.ascontiguousarray(tensors["codes"])
    ends = np.cumsum(tensors["sizes"])
    for i, (end, size) in enumerate(zip(ends.tolist(), tensors["sizes"].tolist(), strict=True)):
        if size:
            place = slice(end - size, end)
            index.invlists.add_entries(i, size, faiss.swig_ptr(rows[place]), faiss.swig_ptr(codes[place]))
    index.ntotal = len(rows)
    return index


def _empty(centres_LE: FloatArray, faiss: Any) -> Any:
    n_lists, size = centres_LE.shape
    quantizer = faiss.IndexFlatL2(size)
    quantizer.add(centres_LE)
    # Distances lose less than products by leaving directions out: of two neighbours much the same is left out.
    return faiss.IndexIVFScalarQuantizer(quantizer, size, n_lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2)


def _main_directions(sample_SD: FloatArray) -> FloatArray:
    centred_SD = sample_SD - sample_SD.mean(axis=0)
    _, directions_DD = np.linalg.eigh(centred_SD.T @ centred_SD)
    return np.ascontiguousarray(directions_DD[:, ::-1][:, :_DIRECTIONS], np.float32)


def _points(vectors_ND: Vectors, rows: IntArray, basis_DE: FloatArray) -> FloatArray:
    return np.ascontiguousarray(np.asarray(vectors_ND[rows], np.float32) @ basis_DE)


def _parts(rows: IntArray) -> list[IntArray]:
    return [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]


def _identity(vectors_ND: Vectors, rows: IntArray) -> npt.NDArray[np.uint64]:
    """A number of 64 bits for each row that other rows do not have."""
    bytes_NB = np.ascontiguousarray(vectors_ND[rows]).view(np.uint8)
    words_NW = np.pad(bytes_NB, ((0, 0), (0, -bytes_NB.shape[1] % 8))).view(np.uint64)
    odd_W = np.random.default_rng(0).integers(2**63, size=words_NW.shape[1], dtype=np.uint64) * 2 + 1
    return np.asarray((words_NW * odd_W).sum(axis=1, dtype=np.uint64))


def _numbered(identity_N: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The identities, those of equal rows told apart by counting them."""
    order = np.argsort(identity_N, kind="stable")
    in_order = identity_N[order]
    counted = np.empty_like(identity_N)
    counted[order] = np.arange(len(order)) - np.searchsorted(in_order, in_order)
    return np.asarray(identity_N + counted * np.uint64(0x9E3779B97F4A7C15))


def _read(file: Path, size: int) -> tuple[_Tensors, str] | None:
    """The arrays and the key of the rows; None where the file is missing, damaged or of vectors of another size."""
    try:
        with safe_open(file, framework="numpy") as opened:
            said = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, ValueError, TypeError):
        return None
    if said.get("made_of") != _seal(tensors) or tensors["basis"].shape[0] != size:
        return None
    return tensors, said.get("key", "")


def _seal(tensors: _Tensors) -> str:
    """What the file holds, and its SHA-256."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(np.ascontiguousarray(tensors[name]).reshape(-1).view(np.uint8).data)
    shapes = {name: [str(tensors[name].dtype), *tensors[name].shape] for name in sorted(tensors)}
    return json.dumps([_REVISION, shapes, digest.hexdigest()])
