"""A plan for very many photos from measured figures: `python benchmarks/scale_plan.py`.

Prints, as Markdown, what is measured and what follows from it. The figures are those of `scaling.py` on the machine
that docs/concepts/scale.md names; `--measured benchmarks/out/scaling.json` takes those of another run, and `--set
NAME=VALUE` single ones. Machines have `--cores` and a network of `--network-gbit`; `--machines` says how many there are
for each number of photos.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from photograft.scaling.catalogue import LARGEST, block_rows
from photograft.scaling.search_shards import SHARD_PHOTOS

INDEX_FACTS_BYTES = 8
"""Per row of an index in memory, beside its line (`photograft.retrieval.rows.Rows`)."""


QUIET_LOAD = 0.5


@dataclass(frozen=True)
class Figures:
    """What was measured; seconds and bytes are per photo unless the name says something else."""

    predict_cpu_s: float = 0.0115
    extract_cpu_s: float = 0.0126
    camera_cpu_s: float = 0.0387
    busy: float = 0.959
    worker_mb: float = 396.0
    photo_bytes: float = 22400.0
    camera_bytes: float = 1830000.0
    catalogue_bytes: float = 4.83
    prediction_bytes: float = 35.1
    facts_bytes: float = 177.0
    fp32_bytes: float = 6640.0
    fp16_bytes: float = 3670.0
    numbers: float = 2128
    index_bytes: float = 15400.0
    index_row_bytes: float = 470.0
    list_us: float = 6.73
    block_ms: float = 5.37
    block_kb: float = 0.0
    command_mb: float = 320.0
    known_bytes: float = 1680.0
    listed_bytes: float = 310.0
    copies_us: float = 37.9
    copies_pair_ps: float = 78.0
    lists_bytes: float = 275.0


SAID = {
    "predict_cpu_s": "CPU seconds to predict a photo with 2 workers, without what Ray itself takes",
    "extract_cpu_s": "the same to read and embed one for `train` or `search`",
    "camera_cpu_s": "CPU seconds more for a photo of 12 megapixels, plain",
    "busy": "share of the cores that workers keep busy; 1 where other programs had them: a lower bound",
    "worker_mb": "memory of a worker with its decoder, MB",
    "photo_bytes": "bytes of a photo",
    "camera_bytes": "bytes of a photo of 12 megapixels",
    "catalogue_bytes": "bytes of a row of the catalogue",
    "prediction_bytes": "bytes of a row of predictions",
    "facts_bytes": "bytes of verdict and hashes beside the features",
    "fp32_bytes": "bytes of its features as Parquet, float32",
    "fp16_bytes": "bytes of the same, float16",
    "numbers": "features of a photo at level `fast`",
    "index_bytes": "bytes of an index on the disk",
    "index_row_bytes": "of these the row, which is in memory",
    "list_us": "CPU microseconds to list a path and write the catalogue",
    "block_ms": "CPU milliseconds of the command per block",
    "block_kb": "memory of the command per block, kB",
    "command_mb": "memory of the command with few blocks, MB",
    "known_bytes": "memory of `check` and `train` per photo, bytes",
    "listed_bytes": "before that, memory of a listed folder (decision 38; a table: 1,800)",
    "copies_us": "CPU microseconds to look for copies of a photo",
    "copies_pair_ps": "picoseconds more per pair of photos",
    "lists_bytes": "memory of approximate search (decision 27)",
}


@dataclass(frozen=True)
class Site:
    """A number of photos of a kind, and the machines for them."""

    photos: float
    kind: str
    machines: int
    cores: int
    network_gbit: float


SITES = [Site(n, kind, machines, 32, 10) for n, machines in ((1e7, 4), (1e9, 100)) for kind in ("small", "camera")]
"""Those of docs/concepts/scale.md."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=float, nargs="+", help="without it, the plan of the page")
    parser.add_argument("--machines", type=int, nargs="+", default=[1], help="of each number of photos")
    parser.add_argument("--cores", type=int, default=32, help="of a machine")
    parser.add_argument("--network-gbit", type=float, default=10, help="of a machine, per second")
    parser.add_argument("--measured", type=Path, metavar="FILE", help="what scaling.py has written")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="single figures")
    given = parser.parse_args()
    if given.photos and len(given.machines) != len(given.photos):
        parser.error("give --machines for each of --photos")
    figures = figures_of(json.loads(given.measured.read_text("utf-8"))["results"]) if given.measured else Figures()
    figures = replace(figures, **{name: float(value) for name, _, value in (each.partition("=") for each in given.set)})
    sites = [
        Site(photos, kind, machines, given.cores, given.network_gbit)
        for photos, machines in zip(given.photos or (), given.machines, strict=bool(given.photos))
        for kind in ("small", "camera")
    ]
    print(tables(figures, sites or SITES))


def tables(figures: Figures, sites: Sequence[Site]) -> str:
    """Two tables of Markdown: what was measured, and what follows from it for each site."""
    measured = [
        [f"`{field.name}`", _number(getattr(figures, field.name)), SAID[field.name]] for field in fields(figures)
    ]
    header = ["", *(f"{_count(site.photos)}, {'12 MP' if site.kind == 'camera' else 'small'}" for site in sites)]
    rows = [[name, *(_number(work(figures, site)) for site in sites), formula] for name, formula, work in PLAN]
    return "\n\n".join([_table(["figure", "value", "what it is"], measured), _table([*header, "how"], rows)])


def figures_of(results: dict[str, Any]) -> Figures:
    """The figures in what `scaling.py` has written."""
    predict, train, plain = results["predict"]["2 workers"], results["train"]["2 workers"], results["predict"]["plain"]
    size = max(int(name) for name in predict if name != "fit")
    costs, written, camera = results["costs"], results["bytes"], results["camera"]
    few, many = costs["blocks"]
    is_quiet = results["predict"]["measured"]["load"][0] < QUIET_LOAD  # else other programs had the cores
    blocks = many["blocks"] - few["blocks"]
    a, b = costs["hashes"]
    per_photo = [each["seconds"] / each["photos"] for each in (a, b)]
    pair = max((per_photo[1] - per_photo[0]) / (b["photos"] - a["photos"]), 0.0)  # seconds = first n + pair n²
    index = written["index"]
    known = costs["labelled"]["mb"] / costs["labelled"]["photos"] + b["mb"] / b["photos"]
    return Figures(
        predict_cpu_s=predict["fit"]["work_cpu_s_per_photo"],
        extract_cpu_s=train["fit"]["work_cpu_s_per_photo"],
        camera_cpu_s=camera["fit"]["work_cpu_s_per_photo"] - plain["fit"]["work_cpu_s_per_photo"],
        busy=min(predict["fit"]["cpu_s_per_photo"] / predict["fit"]["wall_s_per_photo"] / 2, 1.0) if is_quiet else 1.0,
        worker_mb=predict[str(size)]["worker_mb"]["median"],
        photo_bytes=written["photo"],
        camera_bytes=camera["photo_bytes"],
        catalogue_bytes=costs["listing"]["catalogue_bytes"] / costs["listing"]["paths"],
        prediction_bytes=written["prediction"],
        facts_bytes=written["facts"],
        fp32_bytes=written["features_fp32"],
        fp16_bytes=written["features_fp16"],
        numbers=written["numbers"],
        index_bytes=sum(index.values()),
        index_row_bytes=sum(slope for name, slope in index.items() if "rows" in name),
        list_us=1e6 * costs["listing"]["list_s"] / costs["listing"]["paths"],
        block_ms=1e3 * (many["cpu_s"] - few["cpu_s"]) / blocks,
        block_kb=max(1e3 * (many["command_mb"] - few["command_mb"]) / blocks, 0.0),
        command_mb=few["command_mb"],
        known_bytes=1e6 * known,
        copies_us=1e6 * (per_photo[0] - pair * a["photos"]),
        copies_pair_ps=1e12 * pair,
    )


def n_blocks(photos: float) -> int:
    """Blocks of a job of so many photos."""
    rows = blocks = 0
    while rows < photos and block_rows(rows) < LARGEST:
        rows += block_rows(rows)
        blocks += 1
    return blocks + -int(-max(photos - rows, 0) // LARGEST)


def cpu_s(figures: Figures, site: Site, *, extract: bool = True) -> float:
    """CPU seconds of a photo."""
    small = figures.extract_cpu_s if extract else figures.predict_cpu_s
    return small + (figures.camera_cpu_s if site.kind == "camera" else 0.0)


def hours(figures: Figures, site: Site) -> float:
    """To read and embed all photos on all cores, busy as measured."""
    seconds = site.photos * cpu_s(figures, site) / (site.machines * site.cores * figures.busy)
    return seconds / 3600


def photo_bytes(figures: Figures, site: Site) -> float:
    """Of a photo of this kind."""
    return figures.camera_bytes if site.kind == "camera" else figures.photo_bytes


def network_share(figures: Figures, site: Site) -> float:
    """Of the network of a machine, in per cent, that reading photos takes."""
    bytes_per_s = site.cores * figures.busy / cpu_s(figures, site) * photo_bytes(figures, site)
    return 100 * bytes_per_s / (site.network_gbit * 1e9 / 8)


def command_gb(figures: Figures, site: Site) -> float:
    """Memory of `predict --on ray --out`, which knows blocks."""
    return (figures.command_mb + n_blocks(site.photos) * figures.block_kb / 1e3) / 1e3


def known_gb(figures: Figures, site: Site) -> float:
    """Memory of a command that knows every photo at once."""
    return site.photos * (figures.known_bytes + figures.listed_bytes) / 1e9


def copies_hours(figures: Figures, site: Site) -> float:
    """To look for near-duplicates among all photos in one process."""
    return (site.photos * figures.copies_us / 1e6 + site.photos**2 * figures.copies_pair_ps / 1e12) / 3600


def index_memory_gb(figures: Figures, site: Site) -> float:
    """Of a process that has the whole index open; its vectors are mapped."""
    return site.photos * (figures.index_row_bytes + INDEX_FACTS_BYTES + figures.lists_bytes) / 1e9


PLAN: list[tuple[str, str, Callable[[Figures, Site], float]]] = [
    ("machines", "given", lambda f, s: s.machines),
    ("core hours", "photos x CPU / busy", lambda f, s: hours(f, s) * s.machines * s.cores),
    ("hours", "core hours / cores", hours),
    ("photos, TB", "photos x bytes", lambda f, s: s.photos * photo_bytes(f, s) / 1e12),
    ("network of a machine, %", "cores x busy / CPU x bytes", network_share),
    ("workers of a machine, GB of memory", "cores x worker", lambda f, s: s.cores * f.worker_mb / 1e3),
    ("listing, hours", "photos x list", lambda f, s: s.photos * f.list_us / 3.6e9),
    ("catalogue, GB", "photos x bytes", lambda f, s: s.photos * f.catalogue_bytes / 1e9),
    ("blocks, each a file", "4,096 photos, fewer at first", lambda f, s: n_blocks(s.photos)),
    ("minutes of the command for them", "blocks x block", lambda f, s: n_blocks(s.photos) * f.block_ms / 6e4),
    ("most cores that it keeps busy", "4,096 x CPU / block", lambda f, s: LARGEST * cpu_s(f, s) / f.block_ms * 1e3),
    ("`predict --out`, GB of memory", "few + blocks x block", command_gb),
    ("predictions, GB", "photos x bytes", lambda f, s: s.photos * f.prediction_bytes / 1e9),
    ("features float32, TB", "photos x bytes", lambda f, s: s.photos * f.fp32_bytes / 1e12),
    ("features float16, TB", "photos x bytes", lambda f, s: s.photos * f.fp16_bytes / 1e12),
    ("features as a matrix of `train`, TB", "photos x numbers x 4", lambda f, s: s.photos * f.numbers * 4e-12),
    ("`check`, `train`, GB of memory", "photos x (known + listed)", known_gb),
    ("looking for copies, hours", "photos x copies + photos² x pair", copies_hours),
    ("index on disks, TB", "photos x bytes", lambda f, s: s.photos * f.index_bytes / 1e12),
    ("its shards", f"{SHARD_PHOTOS:,} photos each", lambda f, s: -(-s.photos // SHARD_PHOTOS)),
    ("index in memory, GB", f"photos x (row + {INDEX_FACTS_BYTES} + lists)", index_memory_gb),
]
"""Name, formula in words, and what works it out."""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *("--:" for _ in header[1:-1]), "---"], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float) -> str:
    """Three digits that count; whole numbers from 100 on, and as they are where they are whole anyway."""
    if value == int(value) and value < 10_000:
        return f"{int(value):,}"
    if value >= 100:
        digits = 10 ** max(len(str(int(value))) - 3, 0)
        return f"{round(value / digits) * digits:,}"
    return f"{value:.3g}"


def _count(photos: float) -> str:
    return f"{photos / 1e9:g} billion" if photos >= 1e9 else f"{photos / 1e6:g} million"


if __name__ == "__main__":
    main()
