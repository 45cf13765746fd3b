"""What a job on a cluster costs beside its photos, each in a process of its own that prints JSON.

    python job_costs.py blocks N            N blocks of 4,096 rows with which nothing is done: what Ray and files cost
    python job_costs.py listing N FOLDER    catalogues of N paths in a list, and of at most 100,000 empty files
    python job_costs.py labelled N          memory of what `check` and `train` know of the photos of N blocks
    python job_costs.py hashes N            seconds and memory of looking for copies among N photos with random hashes
    python job_costs.py lost WHAT RUN PHOTOS FOLDER    SIGKILL for a worker, or a machine, while it predicts

`scaling.py` runs them all. FOLDER is a folder for scratch files.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from photograft.config.split import SplitConfig
from photograft.data.duplicates import find_duplicates
from photograft.data.listing import Found
from photograft.models.bundle import read_bundle
from photograft.scaling.catalogue import (
    BLOCKS_PER_PART,
    CATALOGUE,
    LARGEST,
    Row,
    catalogue_of,
    names_of,
    prediction_rows,
    read_block,
    write_catalogue,
)
from photograft.scaling.cluster import On, open_cluster
from photograft.scaling.extract import photos_table, read_photos
from photograft.scaling.jobs import JOB, PARTS, Job, run_job
from photograft.scaling.place import Place
from photograft.scaling.predict import PredictBlocks, bundle_files
from photograft.values import Photo
from photograft.workflow.narrator import Silent
from watched import folder_bytes, workers_of

if TYPE_CHECKING:
    import pyarrow

_FILES = 100_000
_DEADLINE_S = 120


def blocks(n: int) -> dict[str, Any]:
    """Seconds, and CPU seconds and memory of the command, for n full blocks that are read and written."""
    with tempfile.TemporaryDirectory(prefix="blocks-") as folder:
        job = _made_up_job(Place.of(folder), n)
        before_mb = _peak_mb()
        with open_cluster(On(), Silent()) as cluster:
            began = time.process_time()
            done = run_job(job, NoWork, cluster, Silent(), label="blocks")
            cpu_s = time.process_time() - began
        inside_s = sum(worker.seconds for worker in done.workers.values())
        workers = len(done.workers)
    return {
        "blocks": n,
        "seconds": done.seconds,
        "cpu_s": cpu_s,
        "inside_s": inside_s,
        "workers": workers,
        "command_mb": _peak_mb(),
        "before_mb": before_mb,
    }


def listing(n: int, folder: Path) -> dict[str, Any]:
    """CPU seconds to write catalogues of paths in a list and of files in a folder, and their bytes."""
    listed, place = folder / "paths.txt", Place.of(str(folder / "job"))
    with listed.open("w", encoding="utf-8") as file:
        file.writelines(f"photos/camera-{i % 40:02}/2026-03-{i % 28 + 1:02}/IMG_{i:09}.jpg\n" for i in range(n))
    before_mb = _peak_mb()
    found: dict[str, Any] = {"paths": n, "list_s": _timed(lambda: write_catalogue(_rows(f"@{listed}"), place))}
    found["mb"] = _peak_mb() - before_mb
    found["again_s"] = _timed(lambda: catalogue_of(_rows(f"@{listed}")))
    found["catalogue_bytes"] = folder_bytes(folder / "job")
    tree = folder / "tree"
    n_files = min(n, _FILES)
    for i in range(n_files):
        file_of = tree / f"camera-{i % 40:02}" / f"IMG_{i:09}.jpg"
        if i < 40:
            file_of.parent.mkdir(parents=True)
        file_of.touch()
    found |= {"files": n_files, "folder_s": _timed(lambda: catalogue_of(_rows(str(tree))))}
    return found


def labelled(n_blocks: int) -> dict[str, Any]:
    """Memory of the photos of so many full blocks, read from parts without embeddings."""
    with tempfile.TemporaryDirectory(prefix="labelled-") as folder:
        job = _made_up_job(Place.of(folder), n_blocks)
        photos = [
            Photo(
                path,
                "daisy",
                sha256=(sha256 := hashlib.sha256(path.encode()).hexdigest()),
                size_bytes=23_000 + i,
                format="JPEG",
                width=320,
                height=240,
                pixel_sha256=sha256[::-1],
                perceptual_hash=sha256[:16],
                brightness=100 + i / 7,
                contrast=40 + i / 7,
                sharpness=10 + i / 7,
            )
            for i, path in enumerate(names_of(read_block(job.place, 0)))
        ]
        for number in range(n_blocks):
            job.place.write_table(f"{PARTS}/part-{number:06d}.parquet", photos_table(photos, []))
        before_mb, began = _now_mb(), time.process_time()
        kept = list(read_photos(job))
        return {"photos": len(kept), "mb": _now_mb() - before_mb, "seconds": time.process_time() - began}


def hashes(n: int) -> dict[str, Any]:
    """CPU seconds and memory of looking for near-duplicates among n photos of which none is one."""
    rng = np.random.default_rng(0)
    photos = [
        Photo(f"{i:09}.jpg", sha256=f"{i:064x}", pixel_sha256=f"{i:064x}", perceptual_hash=rng.bytes(32).hex())
        for i in range(n)
    ]
    before_mb = _peak_mb()
    seconds = _timed(lambda: find_duplicates(photos, max_bits=SplitConfig().duplicate_bits))
    return {"photos": n, "seconds": seconds, "mb": _peak_mb() - before_mb}


def lost(what: str, run: Path, photos: str, folder: Path) -> dict[str, Any]:
    """Kill a worker, or a machine, in the middle of a block: seconds until the block is begun again."""
    from ray.cluster_utils import Cluster

    starts = folder / "starts"
    starts.mkdir(parents=True)
    place = Place.of(str(folder / "job"))
    rows = list(prediction_rows([photos]))
    catalogue = write_catalogue(rows, place)
    place.write(JOB, b"{}")
    job = Job(place, catalogue.n_rows, catalogue.n_blocks)
    killed: dict[str, Any] = {}
    with ExitStack() as stack:
        options: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80_000_000}
        machines = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
        stack.callback(machines.shutdown)
        machines.add_node(**options)
        cluster = stack.enter_context(open_cluster(On(machines.address), Silent()))
        import ray

        head = machines.head_node.all_processes["raylet"][0].process.pid
        threading.Thread(target=_kill_one, args=(what, starts, head, killed), daemon=True).start()
        work = Telling(PredictBlocks(ray.put(bundle_files(read_bundle(run))), None, 1), starts)
        done = run_job(job, work, cluster, Silent(), label="lost")
    again = [each for each in _started(starts) if each.block == killed["block"] and each.at > killed["at"]]
    return {
        "what": what,
        "again_s": again[0].at - killed["at"],
        "times_begun": 1 + len(again),
        "blocks": job.n_blocks,
        "begun": len(_started(starts)),
        "rows": done.n_rows,
    }


class NoWork:
    """Gives one column for the rows of a block (`photograft.scaling.jobs.BlockWork`)."""

    def run(self, rows: pyarrow.Table) -> pyarrow.Table:
        return rows.select(["path"])


@dataclass(frozen=True)
class Telling:
    """Work that leaves a file when it begins a block."""

    make: Callable[[], Any]
    starts: Path

    def __call__(self) -> _TellingWork:
        return _TellingWork(self.make(), self.starts)


class _TellingWork:
    def __init__(self, work: Any, starts: Path) -> None:
        self._work, self._starts = work, starts

    def run(self, rows: pyarrow.Table) -> pyarrow.Table:
        said = {"block": names_of(rows)[0], "pid": os.getpid(), "at": time.time()}
        file = self._starts / f"{said['at']:.6f}-{os.getpid()}"
        file.with_suffix(".part").write_text(json.dumps(said), encoding="utf-8")
        file.with_suffix(".part").rename(file.with_name(f"{file.name}.json"))
        return self._work.run(rows)


@dataclass(frozen=True)
class _Start:
    block: str
    pid: int
    at: float


def _started(folder: Path) -> list[_Start]:
    return [_Start(**json.loads(file.read_text("utf-8"))) for file in sorted(folder.glob("*.json"))]


def _kill_one(what: str, starts: Path, head: int, killed: dict[str, Any]) -> None:
    """Once two blocks were begun away from the head, end the process, or the machine, that does the last one."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        time.sleep(0.05)
        at_head = set(workers_of(head))
        others = [each for each in _started(starts) if each.pid not in at_head]
        if len(others) >= 2:
            victim = psutil.Process(others[-1].pid)
            time.sleep(0.2)  # into the block
            raylet = victim.parent()
            doomed = [victim] if what == "worker" or raylet is None else [raylet, *raylet.children(recursive=True)]
            killed |= {"block": others[-1].block, "at": time.time()}
            for process in doomed:
                process.send_signal(signal.SIGKILL)
            return


def _made_up_job(place: Place, n_blocks: int) -> Job:
    """A job whose catalogue has the same blocks again and again."""
    rows = (Row("/photos", Found(f"camera-{i % 40:02}/IMG_{i:09}.jpg")) for i in range(2 * BLOCKS_PER_PART * LARGEST))
    write_catalogue(rows, place)
    last = max(place.names(CATALOGUE))  # its blocks are full
    whole = place.read_table(f"{CATALOGUE}/{last}")
    assert place.folder is not None
    first = place.folder / CATALOGUE / "part-00000.parquet"
    _write_blocks(first, whole)
    for number in range(1, -(-n_blocks // BLOCKS_PER_PART)):
        file = place.folder / CATALOGUE / f"part-{number:05d}.parquet"
        file.unlink(missing_ok=True)
        os.link(first, file)
    place.write(JOB, b"{}")
    assert read_block(place, n_blocks - 1).num_rows == LARGEST
    return Job(place, n_blocks * LARGEST, n_blocks)


def _write_blocks(file: Path, whole: pyarrow.Table) -> None:
    import pyarrow.parquet as parquet

    block = whole.slice(0, LARGEST)
    with parquet.ParquetWriter(file, block.schema, compression="zstd") as writer:
        for _ in range(BLOCKS_PER_PART):
            writer.write_table(block, row_group_size=LARGEST)


def _rows(given: str) -> Iterator[Row]:
    return prediction_rows([given])


def _timed(do: Callable[[], Any]) -> float:
    """CPU seconds, which other programs on the machine hardly change."""
    began = time.process_time()
    do()
    return time.process_time() - began


def _peak_mb() -> float:
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit / 1e6)


def _now_mb() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)


def main(what: str, *given: str) -> None:
    if what == "blocks":
        found = blocks(int(given[0]))
    elif what == "listing":
        found = listing(int(given[0]), Path(given[1]))
    elif what == "labelled":
        found = labelled(int(given[0]))
    elif what == "hashes":
        found = hashes(int(given[0]))
    else:
        found = lost(given[0], Path(given[1]), given[2], Path(given[3]))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
