"""How fast similar photos are found among very many: `python benchmarks/search.py RUN PHOTOS...`.

Embeds the photos (searched below the folders PHOTOS) with the network of RUN and keeps the last 1,280 numbers, which
are the last layer of the default backbone. A fifth of them, at most `--queries`, is held out to ask with; photos are
real, so that questions are. The others are the first rows of the matrix. Further rows are made from them: a mean of a
photo and two of its 20 nearest with random weights, plus the difference of each of two random photos from its nearest
one, times a normal number times 0.7. With that factor made rows have about the same distances to their nearest and
tenth nearest as real ones; what was found of that is printed.

For every size the same matrix (.npy, float32, mapped, read once before) is searched, one query at a time on two
threads, by processes of their own, in turn: photograft (exact up to 200,000 rows, approximate above), NumPy (product
with the whole matrix, argpartition), and faiss flat (`faiss.knn`, the kernel of its flat index). Recall is the share of
the ten rows of `photograft.retrieval.exact` that are found. Memory counts those pages of the mapped file that were
read. CPU milliseconds are those of all threads together, per query; other programs hardly change them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import machine
import photograft
from machine import say, show, spread
from photograft.retrieval.approximate import EXACT_ROWS, FILE, open_approximate
from photograft.retrieval.exact import nearest, unit_length
from photograft.values import FloatArray

SIZE, TOP, FACTOR = 1280, 10, 0.7
TARGET_MS, TARGET_RECALL = 10.0, 0.95
"""What the project promises for a million rows on two cores."""
WAYS = ("photograft", "numpy", "faiss flat")
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run, whose network embeds")
    parser.add_argument("photos", nargs="+", type=Path, help="folders of photos")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="rows")
    parser.add_argument("--queries", type=int, default=200, help="photos that are asked with")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each case")
    parser.add_argument("--embeddings", type=Path, metavar="FILE", help="keep the embeddings of the photos here (.npy)")
    parser.add_argument("--scratch", type=Path, help="where the matrix is written (5 GB for a million rows)")
    parser.add_argument("--measure", nargs=3, metavar=("WAY", "ROWS", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        way, rows, folder = arguments.measure
        print(json.dumps(_measure(way, int(rows), Path(folder))))
        return
    os.environ.update(THREADS)
    facts = machine.facts()
    real_ND = _embeddings(arguments.run, arguments.photos, arguments.embeddings)
    with tempfile.TemporaryDirectory(prefix="search-", dir=arguments.scratch) as scratch:
        plausible = _write_matrix(Path(scratch), real_ND, max(arguments.sizes), arguments.queries)
        results = {f"{n}": _run(Path(scratch), n, arguments.rounds) for n in arguments.sizes}
    print(machine.describe(facts))
    _print(results, plausible)
    machine.write_json("search", facts, vars(arguments), {"plausible": plausible, "sizes": results})


def _embeddings(run: Path, folders: list[Path], kept: Path | None) -> FloatArray:
    """Embeddings of all photos that can be read, of length 1."""
    if kept is not None and kept.exists():
        return np.asarray(np.load(kept))
    files = [
        f for folder in folders for f in sorted(folder.rglob("*")) if f.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]
    say(f"embedding {len(files):,} photos")
    blocks, batch = [], []
    with photograft.load(run) as model:
        network = model.bundle.info.networks[0]
        for pixels in model.pixels_each(files):
            if pixels is not None:
                batch.append(pixels[network.contract])
            if len(batch) == 32:
                blocks.append(model.embed_with(network.id, np.stack(batch)))
                batch = []
        if batch:
            blocks.append(model.embed_with(network.id, np.stack(batch)))
    embedding_ND = unit_length(np.concatenate(blocks)[:, -SIZE:])
    if kept is not None:
        np.save(kept, embedding_ND)
    return embedding_ND


def _write_matrix(folder: Path, real_ND: FloatArray, n: int, n_queries: int) -> dict[str, Any]:
    """Write matrix and queries; gives cosines of real and of made rows to their nearest, as evidence."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(real_ND))
    n_queries = min(n_queries, len(order) // 5)
    query_QD, real_ND = real_ND[order[:n_queries]], real_ND[order[n_queries:]]
    np.save(folder / "queries.npy", query_QD)
    near_N20 = np.concatenate([_nearest_others(real_ND, start) for start in range(0, len(real_ND), 1024)])

    def made(count: int) -> FloatArray:
        i, a, b = rng.integers(len(real_ND), size=(3, count))
        weights = rng.dirichlet((1, 1, 1), size=count).astype(np.float32)
        j, k = (near_N20[i, rng.integers(20, size=count)] for _ in range(2))
        rows = weights[:, :1] * real_ND[i] + weights[:, 1:2] * real_ND[j] + weights[:, 2:] * real_ND[k]
        for other in (a, b):
            away = rng.normal(scale=FACTOR, size=(count, 1)).astype(np.float32)
            rows += away * (real_ND[other] - real_ND[near_N20[other, 0]])
        return unit_length(rows)

    matrix_ND = np.lib.format.open_memmap(folder / "rows.npy", mode="w+", dtype=np.float32, shape=(n, SIZE))
    matrix_ND[: len(real_ND)] = real_ND[:n]
    for start in range(len(real_ND), n, 10_000):
        matrix_ND[start : start + 10_000] = made(min(10_000, n - start))
    matrix_ND.flush()
    alike = {"real among real": (query_QD, real_ND), "made among made": (made(n_queries), made(len(real_ND)))}
    return {"real": len(real_ND), "queries": n_queries} | {
        name: np.median(nearest(rows, asked, top=TOP)[1][:, [0, TOP - 1]], axis=0).tolist()
        for name, (asked, rows) in alike.items()
    }


def _nearest_others(real_ND: FloatArray, start: int) -> Any:
    """Of each row the 20 nearest others, the nearest first."""
    cosine_BN = real_ND[start : start + 1024] @ real_ND.T
    cosine_BN[np.arange(len(cosine_BN)), start + np.arange(len(cosine_BN))] = -2
    return np.argsort(-cosine_BN, axis=1)[:, :20]


def _run(folder: Path, n: int, rounds: int) -> dict[str, Any]:
    truth = np.asarray(nearest(_rows(folder, n), np.load(folder / "queries.npy"), top=TOP)[0])
    done: dict[str, list[Any]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            ended = machine.run_process([sys.executable, __file__, "-", "-", "--measure", way, str(n), folder])
            done[way].append(ended.json() | {"rss_mb": ended.largest_rss_mb})
            say(f"{n:,} {way}: {done[way][-1]['p50_ms']:.1f} ms")
    results = {}
    for way, runs in done.items():
        found = [np.array(run.pop("found")) for run in runs]
        results[way] = {name: spread([run[name] for run in runs]) for name in runs[0] if runs[0][name] is not None}
        results[way]["recall"] = float(np.mean([[_share(a, b) for a, b in zip(f, truth, strict=False)] for f in found]))
    (folder / FILE).unlink(missing_ok=True)
    return results


def _measure(way: str, n: int, folder: Path) -> dict[str, Any]:
    """One process: open what there is to open, ask with one photo after the other."""
    rows_ND, query_QD = _rows(folder, n), np.load(folder / "queries.npy")
    for start in range(0, n, 10_000):
        rows_ND[start : start + 10_000].max()
    built_s = open_s = None
    if way == "photograft" and n > EXACT_ROWS:
        (folder / FILE).unlink(missing_ok=True)
        started = time.perf_counter()
        open_approximate(rows_ND, folder, key="rows")
        built_s, started = time.perf_counter() - started, time.perf_counter()
    ask = _way(way, rows_ND, folder)
    if built_s is not None:
        open_s = time.perf_counter() - started
    if way != "photograft":
        query_QD = query_QD[: max(20, min(len(query_QD), 10_000_000 // n))]
    for query_D in query_QD[:5]:
        ask(query_D)
    found, seconds, cpu_s = [], [], time.process_time()
    for query_D in query_QD:
        started = time.perf_counter()
        found.append(ask(query_D).tolist())
        seconds.append(time.perf_counter() - started)
    cpu_ms = 1000 * (time.process_time() - cpu_s) / len(query_QD)
    p50_ms, p95_ms = (1000 * float(np.quantile(seconds, share)) for share in (0.5, 0.95))
    times = {"p50_ms": p50_ms, "p95_ms": p95_ms, "cpu_ms": cpu_ms}
    return times | {"built_s": built_s, "open_s": open_s, "found": found}


def _way(way: str, rows_ND: FloatArray, folder: Path) -> Callable[[FloatArray], Any]:
    if way == "numpy":
        whole_ND = np.asarray(rows_ND)

        def ask(query_D: FloatArray) -> Any:
            cosine_N = whole_ND @ query_D
            best = np.argpartition(cosine_N, -TOP)[-TOP:]
            return best[np.argsort(-cosine_N[best])]

        return ask
    if way == "faiss flat":
        import faiss

        whole_ND = np.asarray(rows_ND)
        return lambda query_D: faiss.knn(query_D[None], whole_ND, TOP, metric=faiss.METRIC_INNER_PRODUCT)[1][0]
    index = open_approximate(rows_ND, folder, key="rows")
    if index is not None:
        return lambda query_D: index.nearest(query_D[None], top=TOP)[0][0]
    return lambda query_D: nearest(rows_ND, query_D[None], top=TOP)[0][0]


def _rows(folder: Path, n: int) -> Any:
    return np.load(folder / "rows.npy", mmap_mode="r")[:n]


def _share(found: Any, truth: Any) -> float:
    return len(set(found.tolist()) & set(truth.tolist())) / TOP


def _print(results: dict[str, Any], plausible: dict[str, Any]) -> None:
    rows = []
    for n, ways in results.items():
        ours = ways["photograft"]["p50_ms"]["median"]
        for way, result in ways.items():
            built = result.get("built_s")
            reached = ""
            if way == "photograft" and int(n) >= 1_000_000:
                good = ours <= TARGET_MS and result["recall"] >= TARGET_RECALL
                reached = "reached" if good else "not reached"
            rows.append(
                [
                    f"{int(n):,}",
                    way,
                    show(result["p50_ms"], digits=2),
                    show(result["p95_ms"], digits=2),
                    show(result["cpu_ms"], digits=2),
                    f"{result['p50_ms']['median'] / ours:.1f}",
                    f"{result['recall']:.3f}",
                    f"{result['rss_mb']['max']:,.0f}",
                    f"{built['median']:.0f} s, {int(n) / built['median']:,.0f}/s" if built else "none",
                    reached,
                ]
            )
    header = ["rows", "way", "p50 ms", "p95 ms", "CPU ms", "ratio", "recall@10", "peak MB", "build"]
    target = f"<= {TARGET_MS:.0f} ms, recall {TARGET_RECALL}"
    machine.print_table(f"one query at a time, {SIZE:,} numbers per row", [*header, target], rows)
    real, made = plausible["real among real"], plausible["made among made"]
    print(
        f"\n{plausible['real']:,} rows are real, {plausible['queries']} real photos ask. Median cosine to the nearest "
        f"and tenth nearest row: real photos {real[0]:.3f}, {real[1]:.3f}; made ones {made[0]:.3f}, {made[1]:.3f}."
    )


if __name__ == "__main__":
    main()
