"""How fast near-duplicates are found: `python benchmarks/near_pairs.py PHOTOS... [--n 100000]`.

Measures `photograft.data.duplicates.find_duplicates`, all eight ways to lay a picture, on N hashes; nothing is decoded.
Each case is a process of its own, several times; seconds are those of the function, memory that of the process.

- random: N random hashes.
- frames: N/1,000 videos of 1,000 frames each, whose hashes differ from that of the video in 0 to 3 % of their bits.
- equal: one hash N times.
- each folder PHOTOS (searched below for files that Pillow opens): its hashes, repeated to N, each with 5 to 25 % of its
  bits flipped at random. Of look-alikes, such as aligned faces, many agree in many bits without being near.

The peer compares all with all (NumPy, as photograft did before) on a subset, in this process. Its pairs must be those
of `near_pairs`, each once. Its time for N hashes is that of the subset times the square of the ratio.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

import machine
from machine import say, show, spread
from photograft.config.split import SplitConfig
from photograft.data.duplicates import find_duplicates
from photograft.data.hashing import SYMMETRIES, Symmetry, hash_rows, perceptual_hash, turn_hashes
from photograft.data.near_pairs import near_pairs
from photograft.values import Photo, PixelArray

TARGET_S, TARGET_MB = 60.0, 1000.0
"""What the project promises for 100,000 hashes on two cores."""

MAX_BITS = SplitConfig().duplicate_bits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path, help="folders of photos")
    parser.add_argument("--n", type=int, default=100_000, help="hashes")
    parser.add_argument("--subset", type=int, default=5_000, help="hashes that the peer compares")
    parser.add_argument("--runs", type=int, default=3, help="processes of each case")
    parser.add_argument("--measure", type=Path, metavar="FILE", help="measure one case in this process, print JSON")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(_measure(np.load(arguments.measure))))
        return
    facts = machine.facts()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, rows_N32 in _cases(arguments.photos, arguments.n):
            file = Path(scratch) / "hashes.npy"
            np.save(file, rows_N32)
            results[name] = _run(file, arguments.runs) | _compare(rows_N32, arguments.subset)
            say(f"{name}: {results[name]['seconds']['median']:.1f} s")
    print(machine.describe(facts))
    _print(results, arguments.n, arguments.subset)
    machine.write_json("near_pairs", facts, vars(arguments), results)


def _cases(folders: list[Path], n: int) -> Any:
    rng = np.random.default_rng(0)
    yield "random", rng.integers(0, 256, (n, 32), dtype=np.uint8)
    videos_V32 = rng.integers(0, 256, (max(1, n // 1000), 32), dtype=np.uint8)
    yield "frames", _vary(videos_V32, n, 0.0, 0.03, rng)
    yield "equal", np.repeat(videos_V32[:1], n, axis=0)
    for folder in folders:
        yield folder.resolve().name, _vary(_hash_folder(folder), n, 0.05, 0.25, rng)


def _hash_folder(folder: Path) -> PixelArray:
    hashes = []
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in (".jpg", ".jpeg", ".png"):
            with Image.open(file) as image:
                hashes.append(perceptual_hash(ImageOps.exif_transpose(image).convert("RGB")))
    return hash_rows([text for text in hashes if text])


def _vary(base: PixelArray, n: int, low: float, high: float, rng: np.random.Generator) -> PixelArray:
    """The hashes repeated to n, each with a share of its bits flipped that is drawn between the limits."""
    rows_N32 = base[np.arange(n) % len(base)]
    for start in range(0, n, 10_000):
        some = rows_N32[start : start + 10_000]
        flipped = rng.random((len(some), 256)) < rng.uniform(low, high, (len(some), 1))
        rows_N32[start : start + 10_000] = some ^ np.packbits(flipped, axis=1)
    return rows_N32


def _run(file: Path, runs: int) -> dict[str, Any]:
    done = [machine.run_process([sys.executable, __file__, "--measure", file]) for _ in range(runs)]
    inside = [each.json() for each in done]
    return {
        "seconds": spread([each["seconds"] for each in inside]),
        "rss_mb": spread([each.largest_rss_mb for each in done]),
        "groups": inside[0]["groups"],
    }


def _measure(rows_N32: PixelArray) -> dict[str, float]:
    photos = [
        Photo(f"{i}.jpg", "a", sha256=f"{i}", pixel_sha256=f"p{i}", perceptual_hash=row.tobytes().hex())
        for i, row in enumerate(rows_N32)
    ]
    started = time.perf_counter()
    found = find_duplicates(photos, max_bits=MAX_BITS)
    return {"seconds": time.perf_counter() - started, "groups": len(set(found.group_N.tolist()))}


def _compare(rows_N32: PixelArray, n: int) -> dict[str, Any]:
    """All pairs of a subset by both ways; raises where they differ."""
    subset_M32 = rows_N32[np.linspace(0, len(rows_N32) - 1, min(n, len(rows_N32))).astype(np.int64)]
    hashes = [row.tobytes().hex() for row in subset_M32]
    peer_s, n_pairs = 0.0, 0
    for symmetry in SYMMETRIES:
        started = time.perf_counter()
        expected = _all_with_all(subset_M32, symmetry)
        peer_s += time.perf_counter() - started
        found = [
            block[:, 0] * len(hashes) + block[:, 1]
            for block in near_pairs(hashes, max_bits=MAX_BITS, symmetry=symmetry)
        ]
        if not np.array_equal(np.sort(np.concatenate([np.empty(0, np.int64), *found])), expected):
            raise SystemExit(f"{symmetry}: near_pairs and comparing all with all give different pairs")
        n_pairs += len(expected)
    return {"peer_s": peer_s * (len(rows_N32) / len(subset_M32)) ** 2, "subset_pairs": n_pairs}


def _all_with_all(rows_M32: PixelArray, symmetry: Symmetry) -> Any:
    """Pairs i < j as i * M + j, ascending."""
    words_MW, turned_MW = rows_M32.view(np.uint64), turn_hashes(rows_M32, symmetry).view(np.uint64)
    pairs = [np.empty(0, np.int64)]
    for start in range(0, len(rows_M32), 128):
        distance = np.zeros((len(turned_MW[start : start + 128]), len(rows_M32) - start), dtype=np.uint16)
        for w in range(words_MW.shape[1]):
            distance += np.bitwise_count(turned_MW[start : start + 128, w, None] ^ words_MW[None, start:, w])
        i, j = np.nonzero(distance <= MAX_BITS)
        pairs.append(((i + start) * len(rows_M32) + j + start)[j > i])
    return np.concatenate(pairs)


def _print(results: dict[str, Any], n: int, subset: int) -> None:
    rows = []
    for name, result in results.items():
        seconds, rss_mb = result["seconds"]["median"], result["rss_mb"]["max"]
        rows.append(
            [
                name,
                show(result["seconds"]),
                f"{rss_mb:,.0f}",
                f"{result['groups']:,}",
                f"{result['peer_s']:,.0f}",
                f"{result['peer_s'] / seconds:,.0f}",
                "reached" if seconds <= TARGET_S and rss_mb <= TARGET_MB else "not reached",
            ]
        )
    header = [
        "hashes",
        "s",
        "peak MB",
        "groups",
        "all with all, s",
        "ratio",
        f"<= {TARGET_S:.0f} s, {TARGET_MB:,.0f} MB",
    ]
    machine.print_table(f"{n:,} hashes, eight symmetries, {MAX_BITS} bits", header, rows)
    print(f"\nOn {subset:,} hashes of each case, near_pairs gave exactly the pairs of comparing all with all.")


if __name__ == "__main__":
    main()
