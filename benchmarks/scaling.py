"""What a cluster costs and brings: `python benchmarks/scaling.py RUN PHOTOS`, with the extra `ray`.

The same photos go through the plain command, through `--on ray:ADDRESS` on clusters of one machine with 1 and with 2
workers (`ray.cluster_utils`, started before and not counted), and through `--on ray`, which starts Ray itself. Ways
alternate, each command is a process of its own, and results are compared byte by byte. Photos are `--sizes` of those
in PHOTOS, evenly chosen; from two sizes follow, per photo and apart from what starting costs (`fit`), seconds and CPU
seconds of all processes together, and without those that Ray itself takes all the time. `train` is that of level
`fast`, without what any cache knows; what it took to read and embed photos is shown too.

A worker is one core of the cluster to Ray, and two processes: one decodes, one runs the network. On two cores one
worker alone therefore uses more than one.

`--costs` measures what `job_costs.py` does: listing, blocks without work, what is known of photos. `--lost` kills a
worker, and a machine.
`--bytes` measures what is written: parts of predictions and features as one file of all photos, and an index.
`--camera` predicts the same photos enlarged to 4000 x 3000. Without any of these, all are done.

Parts that were measured before stay in benchmarks/out/scaling.json, each with its date and the load of the machine.
`scale_plan.py` turns the figures into a plan for other numbers of photos.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

import machine
from machine import say, show, spread
from photograft.data.inputs import expand_inputs
from watched import Watched, folder_bytes, run_watched

HERE = Path(__file__).parent
PLAIN = "plain"
WAYS: dict[str, int | None] = {PLAIN: None, "1 worker": 1, "2 workers": 2, "--on ray": 0}
"""Cores of the cluster that is started for a way; 0 where the command starts it."""

QUIET = {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_ADDRESS": "local"}
"""Environment of every command; `--on ray` joins no cluster that happens to run on this machine."""

CAMERA_PX = (4000, 3000)
FAST = ("--quality", "fast", "--set", "report.thumbnails=false")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("photos", metavar="PHOTOS", help="a folder with one sub-folder per class")
    parser.add_argument("--sizes", type=int, nargs=2, default=[500, 2900], help="numbers of photos")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--blocks", type=int, nargs=2, default=[300, 2400], help="blocks without work")
    parser.add_argument("--hashes", type=int, nargs=2, default=[100_000, 400_000], help="photos compared as copies")
    parser.add_argument("--paths", type=int, default=1_000_000, help="paths that are listed")
    for part in ("predict", "train", "costs", "lost", "bytes", "camera"):
        parser.add_argument(f"--{part}", action="store_true", help="only this, and others that are named")
    arguments = parser.parse_args()
    arguments.run = arguments.run.resolve()
    chosen = [part for part in PARTS if getattr(arguments, part)] or [*PARTS]
    facts = machine.facts()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="scaling-") as scratch:
        folders = {n: _choose(arguments.photos, n, Path(scratch) / f"photos-{n}") for n in arguments.sizes}
        for part in chosen:
            load = os.getloadavg()[0]
            results[part] = PARTS[part](arguments, folders, Path(scratch))
            results[part]["measured"] = {"load": [load, os.getloadavg()[0]], "machine": machine.facts()}
            machine.write_json("scaling", facts, vars(arguments), _before() | {part: results[part]})
    print(machine.describe(facts))
    for part in chosen:
        before, after = results[part].pop("measured")["load"]
        _PRINT[part](results[part])
        print(f"Load before {before:.1f}, after {after:.1f}")


def _before() -> dict[str, Any]:
    """What was measured before, of other parts too."""
    file = machine.OUT / "scaling.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))["results"] if file.exists() else {}
    return found


def _choose(photos: str, n: int, folder: Path) -> Path:
    """Copy n photos from all over a folder."""
    found = list(expand_inputs([photos]))
    if len(found) < n:
        raise SystemExit(f"{photos} holds {len(found)} photos: give --sizes up to that")
    for i in np.linspace(0, len(found) - 1, n).astype(int):
        copy = folder / Path(found[i]).relative_to(photos)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found[i], copy)
    return folder


@dataclass(frozen=True)
class _Call:
    """One command, and what it leaves to be compared with the plain command's."""

    arguments: list[str | os.PathLike[str]]
    result: Path
    kept: Path
    env: dict[str, str]


def _predict(given: argparse.Namespace, folders: dict[int, Path], scratch: Path) -> dict[str, Any]:
    def call(n: int, name: str) -> _Call:
        result = scratch / f"{name}.csv"
        return _Call(["predict", given.run, folders[n], "--csv", result], result, scratch / f"{name}.parts", {})

    return _compare(given, "predict", call, ("--out", "{}"), scratch)


def _train(given: argparse.Namespace, folders: dict[int, Path], scratch: Path) -> dict[str, Any]:
    networks = scratch / "cache"  # where the network was exported, which takes torch
    few = _choose(given.photos, 60, scratch / "few")
    command = machine.photograft("train", few, *FAST, "--runs-dir", scratch / "runs")
    machine.run_process(command, env=QUIET | {"PHOTOGRAFT_CACHE": os.fspath(networks)})

    def call(n: int, name: str) -> _Call:
        cache = scratch / f"cache-{name}"
        shutil.copytree(networks / "networks", cache / "networks")
        runs = scratch / f"runs-{name}"
        arguments: list[str | os.PathLike[str]] = ["train", folders[n], *FAST, "--runs-dir", runs, "--name", "it"]
        env = {"PHOTOGRAFT_CACHE": os.fspath(cache)}
        return _Call(arguments, runs, scratch / f"{name}.features", env)

    return _compare(given, "train", call, ("--set", "scale.out={}"), scratch)


def _compare(given: argparse.Namespace, verb: str, call: Any, keep: tuple[str, str], scratch: Path) -> dict[str, Any]:
    """Every way at every size, in turn; raises SystemExit where results differ."""
    sizes = given.sizes
    found: dict[str, dict[int, list[dict[str, Any]]]] = {way: {n: [] for n in sizes} for way in WAYS}
    for number in range(given.rounds):
        for way, cores in WAYS.items():
            with _cluster(cores) as address:
                if cores:  # the first command of a cluster would be charged for what Ray starts late
                    _run(call(sizes[0], f"{verb}-warm-{way}-{number}"), address, keep, scratch)
                for n in sizes:
                    name = f"{verb}-{way.replace(' ', '-')}-{n}-{number}"
                    asked = call(n, name)
                    measured = _run(asked, address, keep, scratch)
                    plain = asked.result.with_name(asked.result.name.replace(way.replace(" ", "-"), PLAIN))
                    measured["differing"] = _differing(verb, plain, asked.result)
                    found[way][n].append(measured)
                    say(f"{verb}, {way}, {n:,} photos: {measured['wall_s']:.1f} s, CPU {measured['cpu_s']:.1f} s")
    return {way: _summary(by_size) for way, by_size in found.items()}


def _run(asked: _Call, address: str | None, keep: tuple[str, str], scratch: Path) -> dict[str, Any]:
    told = scratch / "told.json"
    told.unlink(missing_ok=True)
    if address is None:
        done = run_watched(machine.photograft(*asked.arguments), env=QUIET | asked.env)
        return _figures(done) | _read_s(asked.result)
    on = ["--on", address, keep[0], keep[1].format(asked.kept)]
    done = run_watched([sys.executable, HERE / "told.py", told, *asked.arguments, *on], env=QUIET | asked.env)
    (job,) = json.loads(told.read_text("utf-8"))
    rates = [worker["n_rows"] / worker["seconds"] for worker in job["workers"].values()]
    return _figures(done) | {
        "job_s": job["seconds"],
        **({"read_s": job["seconds"]} if asked.result.is_dir() else {}),
        "before_job_s": done.wall_s - job["seconds"],
        "workers_rate": sum(rates),
        "blocks": job["n_blocks"],
    }


def _read_s(result: Path) -> dict[str, float]:
    """Seconds that the plain `train` took to read and embed photos; nothing of `predict`."""
    if not result.is_dir():
        return {}
    seconds = json.loads((_only_run(result) / "run.json").read_text("utf-8"))["seconds"]
    return {"read_s": seconds["scan and extract"] + seconds["load features"]}


def _figures(done: Watched) -> dict[str, Any]:
    return {
        "wall_s": done.wall_s,
        "cpu_s": done.cpu_s,
        "work_cpu_s": done.cpu_s - done.cpu_by_role["ray"],
        "command_mb": done.command_mb,
        "worker_mb": done.worker_mb,
        "rest_mb": done.rest_mb,
        "all_mb": done.all_mb,
    }


@contextlib.contextmanager
def _cluster(cores: int | None) -> Iterator[str | None]:
    """What `--on` gets: nothing, `ray`, or the address of a cluster of one machine with so many cores."""
    if not cores:
        yield None if cores is None else "ray"
        return
    from ray.cluster_utils import Cluster

    options = {"num_cpus": cores, "object_store_memory": 200_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        yield f"ray:{cluster.address}"
    finally:
        cluster.shutdown()


def _differing(verb: str, plain: Path, other: Path) -> int:
    """Lines that differ in what a command and the plain one have written; 0 where they are equal byte for byte."""
    files = [(plain, other)]
    if verb == "train":
        files = [(_only_run(plain) / name, _only_run(other) / name) for name in ("predictions.csv", "splits.csv")]
    lines = [[file.read_bytes().split(b"\n") for file in pair] for pair in files]
    return sum(a != b for one, two in lines for a, b in zip_longest(one, two))


def _only_run(runs: Path) -> Path:
    (run,) = runs.glob("*-it")
    return run


def _summary(by_size: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """Spreads at every size, and what follows from the medians: seconds and CPU seconds per photo, and of the start."""
    found: dict[str, Any] = {
        str(n): {name: spread([each[name] for each in runs]) for name in runs[0]} for n, runs in by_size.items()
    }
    small, large = by_size
    medians = {n: {name: of["median"] for name, of in found[str(n)].items()} for n in by_size}
    fit: dict[str, float] = {}
    for name in ("wall_s", "cpu_s", "work_cpu_s", "read_s", "job_s"):
        if name in medians[small]:
            slope = (medians[large][name] - medians[small][name]) / (large - small)
            fit |= {f"{name}_per_photo": slope, f"{name}_start": medians[small][name] - slope * small}
    return found | {"fit": fit}


def _costs(given: argparse.Namespace, folders: dict[int, Path], scratch: Path) -> dict[str, Any]:
    (scratch / "listing").mkdir()
    return {
        "listing": _cost("listing", given.paths, scratch / "listing"),
        "blocks": [_cost("blocks", n) for n in given.blocks],
        "hashes": [_cost("hashes", n) for n in given.hashes],
        "labelled": _cost("labelled", given.blocks[0] // 10),
    }


def _lost(given: argparse.Namespace, folders: dict[int, Path], scratch: Path) -> dict[str, Any]:
    few = folders[min(folders)]
    return {what: _cost("lost", what, given.run, few, scratch / f"lost-{what}") for what in ("worker", "machine")}


def _cost(*arguments: Any) -> Any:
    say(f"job_costs.py {arguments[0]} {arguments[1]}")
    command = [sys.executable, HERE / "job_costs.py", *map(str, arguments)]
    return json.loads(machine.run_process(command, env=QUIET).stdout.splitlines()[-1])  # Ray may have told its own


def _bytes(given: argparse.Namespace, folders: dict[int, Path], scratch: Path) -> dict[str, Any]:
    """Bytes per photo of parts, each written anew as one file of all photos, and of an index."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    n = max(folders)
    parts, features = scratch / "predictions", scratch / "features"
    commands: tuple[list[str | os.PathLike[str]], ...] = (
        ["predict", given.run, folders[n], "--on", "ray", "--out", parts],
        [
            "train",
            folders[n],
            *FAST,
            "--on",
            "ray",
            "--runs-dir",
            scratch / "runs-bytes",
            "--set",
            f"scale.out={features}",
        ],
    )
    found: dict[str, Any] = {"photos": n, "photo": folder_bytes(folders[n]) / n}
    for command in commands:
        machine.run_process(machine.photograft(*command), env=QUIET)

    def written(table: pa.Table) -> float:
        parquet.write_table(table, scratch / "one.parquet", compression="zstd")
        return (scratch / "one.parquet").stat().st_size / n

    found["prediction"] = written(parquet.read_table(parts / "parts"))
    table = parquet.read_table(features / "parts")
    vectors = table.column("embedding").combine_chunks()
    found["numbers"] = vectors.type.list_size
    found["facts"] = written(table.drop_columns(["embedding"]))
    found["features_fp32"] = written(table.select(["embedding"]))
    half = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float16)
    found["features_fp16"] = written(
        pa.table({"half": pa.FixedSizeListArray.from_arrays(half, vectors.type.list_size)})
    )
    sizes = {}
    for m, folder in folders.items():
        index = scratch / f"index-{m}"
        machine.run_process(machine.photograft("search", "build", given.run, folder, "--index", index), env=QUIET)
        sizes[m] = {
            file.relative_to(index).as_posix(): file.stat().st_size for file in index.rglob("*") if file.is_file()
        }
    small, large = sizes
    names = sorted({*sizes[small], *sizes[large]})
    slopes = {name: (sizes[large].get(name, 0) - sizes[small].get(name, 0)) / (large - small) for name in names}
    found["index"] = dict.fromkeys((_kind(name) for name in slopes), 0.0)
    for name, slope in slopes.items():
        found["index"][_kind(name)] += slope
    return found


def _kind(name: str) -> str:
    """Name of a file of an index without its number, and without hashes of what it follows from."""
    return re.sub(r"-[0-9a-f-]+(?=\.)", "", name)


def _camera(given: argparse.Namespace, folders: dict[int, Path], scratch: Path) -> dict[str, Any]:
    """CPU seconds per photo of the plain command for photos of 12 megapixels: the same, enlarged, with some noise."""
    from PIL import Image

    rng, sizes = np.random.default_rng(0), (20, 80)
    found = list(expand_inputs([str(folders[min(folders)])]))
    runs: dict[int, list[dict[str, Any]]] = {n: [] for n in sizes}
    for n in sizes:
        folder = scratch / f"camera-{n}"
        folder.mkdir()
        for i, path in enumerate(found[:: len(found) // n][:n]):
            with Image.open(path) as image:
                large = np.asarray(image.convert("RGB").resize(CAMERA_PX, Image.Resampling.BICUBIC), np.int16)
            noise = rng.integers(-6, 7, large.shape, np.int16)
            Image.fromarray((large + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{i}.jpg", quality=90)
    for _ in range(given.rounds):
        for n in sizes:
            folder = scratch / f"camera-{n}"
            command = machine.photograft("predict", given.run, folder, "--csv", scratch / "camera.csv")
            runs[n].append(_figures(run_watched(command, env=QUIET)))
            say(f"camera, {n} photos: CPU {runs[n][-1]['cpu_s']:.1f} s")
    return _summary(runs) | {"photo_bytes": folder_bytes(scratch / f"camera-{sizes[1]}") / sizes[1]}


def _print_compared(verb: str, results: dict[str, Any]) -> None:
    rows = []
    for way, found in results.items():
        fit, sizes = found["fit"], [name for name in found if name != "fit"]
        large, small = found[sizes[-1]], found[sizes[0]]
        plain = results[PLAIN][sizes[-1]]["wall_s"]["median"]
        rows.append(
            [
                way,
                *(show(of["wall_s"]) for of in (small, large)),
                f"{int(sizes[-1]) / large['wall_s']['median']:.1f}",
                f"{plain / large['wall_s']['median']:.2f}",
                show(large.get("workers_rate")),
                f"{fit['wall_s_start']:.1f}",
                f"{1000 * fit['cpu_s_per_photo']:.1f}",
                f"{1000 * fit['work_cpu_s_per_photo']:.1f}",
                f"{large['cpu_s']['median'] / large['wall_s']['median']:.2f}",
                *(show(large[name], digits=0) for name in ("command_mb", "worker_mb", "rest_mb")),
            ]
        )
    header = ["way", *(f"s of {int(n):,}" for n in sizes), "photos/s", "x plain", "photos/s of workers", "start s"]
    header += ["CPU ms/photo", "without Ray's", "cores busy", "MB command", "MB worker", "MB rest"]
    differing = sum(found[size]["differing"]["max"] for found in results.values() for size in sizes)
    equal = "results equal byte for byte" if not differing else f"RESULTS DIFFER in {differing} lines"
    machine.print_table(f"{verb}: whole command, {equal}", header, rows)
    plain_fit = results[PLAIN]["fit"]
    for way in WAYS:
        fit = results[way]["fit"]
        if way != PLAIN:
            start = fit["wall_s_start"] - plain_fit["wall_s_start"]
            per_1000 = 1000 * (fit["wall_s_per_photo"] - plain_fit["wall_s_per_photo"])
            cpu = fit["work_cpu_s_per_photo"] / plain_fit["work_cpu_s_per_photo"]
            print(f"{way}: {start:+.1f} s to start, {per_1000:+.1f} s per 1,000 photos, {cpu:.2f} times the CPU")
        if "read_s" in results[way][sizes[-1]]:
            print(f"{way}: read and embedded {sizes[-1]} in {show(results[way][sizes[-1]]['read_s'])} s")


def _print_costs(results: dict[str, Any]) -> None:
    listing, labelled, (small, large) = results["listing"], results["labelled"], results["blocks"]
    blocks = large["blocks"] - small["blocks"]
    million = 1e6 / listing["paths"]
    rows = [
        ["list of paths, CPU s per million", f"{million * listing['list_s']:.1f}"],
        ["the same when a job goes on", f"{million * listing['again_s']:.1f}"],
        ["files of a folder, CPU s per million", f"{1e6 / listing['files'] * listing['folder_s']:.1f}"],
        ["catalogue, bytes per photo", f"{listing['catalogue_bytes'] / listing['paths']:.1f}"],
        ["job without work, ms per block", f"{1000 * (large['seconds'] - small['seconds']) / blocks:.1f}"],
        ["CPU of the command, ms per block", f"{1000 * (large['cpu_s'] - small['cpu_s']) / blocks:.1f}"],
        ["its start, s", f"{small['seconds'] - (large['seconds'] - small['seconds']) / blocks * small['blocks']:.1f}"],
        ["in the worker, ms per block", f"{1000 * (large['inside_s'] - small['inside_s']) / blocks:.1f}"],
        ["command, kB per block", f"{1000 * (large['command_mb'] - small['command_mb']) / blocks:.1f}"],
        ["`check`, `train`: bytes of memory per photo", f"{1e6 * labelled['mb'] / labelled['photos']:,.0f}"],
        ["the same, CPU s to read a million", f"{1e6 * labelled['seconds'] / labelled['photos']:.1f}"],
        *([f"copies among {each['photos']:,}, CPU s", f"{each['seconds']:.1f}"] for each in results["hashes"]),
    ]
    machine.print_table("Costs of a job beside its photos", ["what", "measured"], rows)


def _print_lost(results: dict[str, Any]) -> None:
    rows = [
        [what, f"{lost['again_s']:.1f}", f"{lost['blocks']}", f"{lost['begun'] - lost['blocks']}"]
        for what, lost in results.items()
    ]
    machine.print_table("SIGKILL", ["killed", "s until its block is begun again", "blocks", "begun twice"], rows)


def _print_bytes(results: dict[str, Any]) -> None:
    names = ("photo", "prediction", "facts", "features_fp32", "features_fp16")
    rows = [[name.replace("_", ", "), f"{results[name]:,.0f}"] for name in names]
    rows += [[f"index, {name}", f"{slope:,.1f}"] for name, slope in results["index"].items()]
    rows.append(["index, all", f"{sum(results['index'].values()):,.0f}"])
    machine.print_table(f"Bytes per photo, {results['numbers']} numbers each", ["what", "bytes"], rows)


def _print_camera(results: dict[str, Any]) -> None:
    fit = results["fit"]
    print(
        f"\nPhotos of 12 megapixels, {results['photo_bytes'] / 1e6:.1f} MB each: "
        f"{1000 * fit['cpu_s_per_photo']:.0f} ms of CPU and {1000 * fit['wall_s_per_photo']:.0f} ms per photo, plain"
    )


PARTS = {"predict": _predict, "train": _train, "costs": _costs, "lost": _lost, "bytes": _bytes, "camera": _camera}
_PRINT = {
    "predict": lambda found: _print_compared("predict", found),
    "train": lambda found: _print_compared("train", found),
    "costs": _print_costs,
    "lost": _print_lost,
    "bytes": _print_bytes,
    "camera": _print_camera,
}

if __name__ == "__main__":
    main()
