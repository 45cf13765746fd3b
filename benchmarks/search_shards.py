"""How shards asked together compare with one index: `python benchmarks/search_shards.py RUN PHOTOS...`.

Vectors are those of `search.py`: photos embedded by RUN, and rows made from them. They become one index, and the same
rows as K index folders of equal size, as `search build` writes their vectors (float16); what is compared, directions
and approximate indexes are made by the functions that `search merge --apart` uses. 200 real photos ask both, in turn,
one at a time. Recall is the share of the ten nearest of all rows that are found.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import machine
import search as one_matrix
from machine import say
from photograft.contract import make_contract, picture_px
from photograft.retrieval.directions import directions_of
from photograft.retrieval.exact import nearest
from photograft.retrieval.gathered import Gathered
from photograft.retrieval.rows import Rows
from photograft.retrieval.shards import derived_folders
from photograft.retrieval.store import IndexInfo, NetworkOfIndex, SourceRow, Stored, StoredFile
from photograft.retrieval.together import Together, open_together
from photograft.retrieval.vectors import HALF, open_vectors, write_vectors
from photograft.values import FloatArray

TOP = one_matrix.TOP


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run, whose network embeds")
    parser.add_argument("photos", nargs="+", type=Path, help="folders of photos")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000], help="rows in all")
    parser.add_argument("--shards", type=int, default=5, help="into how many folders they are divided")
    parser.add_argument("--queries", type=int, default=200, help="photos that are asked with")
    parser.add_argument("--rounds", type=int, default=3, help="how often all photos are asked")
    parser.add_argument("--embeddings", type=Path, metavar="FILE", help="keep the embeddings of the photos here (.npy)")
    parser.add_argument("--scratch", type=Path, help="where vectors are written (14 GB for a million rows)")
    arguments = parser.parse_args()
    os.environ.update(one_matrix.THREADS)
    facts = machine.facts()
    real_ND = one_matrix._embeddings(arguments.run, arguments.photos, arguments.embeddings)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="shards-", dir=arguments.scratch) as scratch:
        one_matrix._write_matrix(Path(scratch), real_ND, max(arguments.sizes), arguments.queries)
        for n in arguments.sizes:
            results[f"{n}"] = _compare(Path(scratch), n, arguments.shards, arguments.rounds)
    print(machine.describe(facts))
    rows = [
        [f"{int(n):,}", way, *(f"{result[name]:{form}}" for name, form in _COLUMNS.items())]
        for n, ways in results.items()
        for way, result in ways.items()
    ]
    machine.print_table("one query at a time", ["rows", "way", *_COLUMNS], rows)
    machine.write_json("search_shards", facts, vars(arguments), results)


_COLUMNS = {
    "p50 ms": ".2f",
    "p95 ms": ".2f",
    "recall@10": ".3f",
    "equal": ".3f",
    "made s": ".0f",
}


def _compare(folder: Path, n: int, n_shards: int, rounds: int) -> dict[str, dict[str, float]]:
    rows_ND, query_QD = np.load(folder / "rows.npy", mmap_mode="r")[:n], np.load(folder / "queries.npy")
    opened: dict[str, Together] = {}
    results: dict[str, dict[str, float]] = {}
    for way, shards in (("one index", 1), (f"{n_shards} shards", n_shards)):
        root = folder / f"{n}-{shards}"
        cuts = np.linspace(0, n, shards + 1).astype(int)
        stored = [_store(root / f"{k}", rows_ND[cuts[k] : cuts[k + 1]]) for k in range(shards)]
        started = time.perf_counter()
        opened[way], compared = _open(root, stored)
        results[way] = {"made s": time.perf_counter() - started}
        say(f"{n:,} {way}: made in {results[way]['made s']:.0f} s")
    directions = opened["one index"]._directions
    truth = nearest(compared[np.arange(n)], directions.along(query_QD), top=TOP)[0]
    found: dict[str, list[list[int]]] = {way: [] for way in opened}
    seconds: dict[str, list[float]] = {way: [] for way in opened}
    for _ in range(rounds):
        for way, index in opened.items():
            index.nearest(query_QD[0], top=TOP)
            found[way] = []
            for query_D in query_QD:
                started = time.perf_counter()
                found[way].append(index.nearest(query_D, top=TOP)[0])
                seconds[way].append(time.perf_counter() - started)
    for way in opened:
        results[way] |= {f"p{share} ms": 1000 * float(np.quantile(seconds[way], share / 100)) for share in (50, 95)}
        hits = [len({*some} & {*exact}) / TOP for some, exact in zip(found[way], truth.tolist(), strict=True)]
        results[way]["recall@10"] = float(np.mean(hits))
        same = [some == other for some, other in zip(found[way], found["one index"], strict=True)]
        results[way]["equal"] = float(np.mean(same))
    return results


def _open(root: Path, stored: list[Stored]) -> tuple[Together, Any]:
    gathered = Gathered(stored, stored[0].info.sources)
    directions, _ = directions_of(gathered.vectors_VD)
    folders = derived_folders(root, len(stored))
    for each in folders:
        each.mkdir(parents=True)
    return open_together(gathered, directions, folders, say=say)


def _store(folder: Path, rows_ND: FloatArray) -> Stored:
    """An index folder as far as it is searched: vectors, and rows that say nothing."""
    folder.mkdir(parents=True)
    n, size = rows_ND.shape
    blocks = (rows_ND[start : start + 4096] for start in range(0, n, 4096))
    sha256 = write_vectors(folder / "vectors.npy", blocks, n=n, size=size, kind=HALF)
    nothing = StoredFile("", "")
    network = NetworkOfIndex(nothing, "", "", size, make_contract(picture_px(224, "whole")), ("whole",), False, {})
    info = IndexInfo(*(1, "", "", "", network, (SourceRow("/"),), nothing, StoredFile("vectors.npy", sha256), n, n))
    vectors_ND = open_vectors(folder / "vectors.npy", n=n, size=size, kind=HALF)
    return Stored(folder, info, Rows(b"{}\n" * n, n_vectors=n), vectors_ND, None)


if __name__ == "__main__":
    sys.exit(main())
