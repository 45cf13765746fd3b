"""A job: rows of a catalogue, cut into blocks, each worked through by one worker that writes its results as a file.

Ray Data hands numbers of blocks to a pool of actors, starts an actor anew that died and repeats its block. Everything
else of a block stays with its worker: it reads the rows from the catalogue, the photos from where they are, and writes
the part. So no pixel travels, each worker holds one block, and a part that is there is whole.

In the folder of a job::

    job.json                     what was asked, and how much there is to do
    catalogue/part-00000.parquet the rows of a block, in order
    parts/part-00000.parquet     what became of them, in the same order
    .job.lock                    while a command works on it
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock, Timeout

import photograft
from photograft import errors
from photograft.errors import ConfigError, DataError, ModelError, PhotograftError
from photograft.scaling.catalogue import (
    CATALOGUE,
    Catalogue,
    block_rows,
    catalogue_of,
    read_block,
    statuses_of,
    write_catalogue,
)
from photograft.scaling.cluster import Cluster
from photograft.scaling.place import Place
from photograft.workflow.narrator import Narrator

if TYPE_CHECKING:
    import pyarrow

JOB = "job.json"
JOBS = "jobs"
"""Where jobs are, in the working folder, whose folder nobody chose."""
PARTS = "parts"
BEGAN = b"began_ns"
"""In the metadata of a part: when its worker began with it, in nanoseconds since 1970."""
FILES = b"files_sha256"
"""Beside it: `files_sha256` of its photos before the worker began."""
_LOCK = ".job.lock"
_FORMAT = 1
RETRIES = 20
"""How often an actor is started again, and a block repeated."""


class BlockWork(Protocol):
    """What a worker does with a block; it is made once for each worker."""

    def run(self, rows: pyarrow.Table) -> pyarrow.Table:
        """Results of the rows of a block, one row each, in the same order; `status` or `verdict` is not ok of some."""


@dataclass(frozen=True)
class Job:
    """A job whose catalogue is written."""

    place: Place
    n_rows: int
    n_blocks: int

    def missing(self) -> list[int]:
        """Numbers of the blocks that have no part yet."""
        there = set(self.place.names(PARTS))
        return [number for number in range(self.n_blocks) if _file(number) not in there]

    def rows(self, number: int) -> pyarrow.Table:
        """The rows of a block."""
        return read_block(self.place, number)

    def part(self, number: int, columns: Sequence[str] | None = None) -> pyarrow.Table:
        """What became of a block, or what there is of some columns. Raises IntegrityError where the part is damaged."""
        return self.place.read_table(f"{PARTS}/{_file(number)}", columns)

    def forget(self, number: int) -> None:
        """Delete the part of a block, so that it is done again."""
        self.place.delete(f"{PARTS}/{_file(number)}")

    def rows_and_parts(self, columns: Sequence[str] | None = None) -> Iterator[tuple[pyarrow.Table, pyarrow.Table]]:
        """The rows of every block, and what became of them."""
        for number in range(self.n_blocks):
            yield self.rows(number), self.part(number, columns)


@dataclass(frozen=True)
class Done:
    """What running a job took: rows and blocks done now, seconds, and what each worker did."""

    n_rows: int
    n_blocks: int
    seconds: float
    workers: Mapping[str, WorkerFacts]


@dataclass(frozen=True)
class WorkerFacts:
    """One worker process: rows that it did, the seconds it worked, its highest memory in megabytes."""

    n_rows: int
    seconds: float
    peak_mb: float


def job_place(verb: str, asked: Mapping[str, Any], out: str | None) -> Place:
    """The folder of a job: `out`, else one below `jobs/` here that the same command finds again."""
    name = hashlib.sha256(json.dumps([photograft.__version__, str(Path.cwd()), asked]).encode()).hexdigest()[:8]
    return Place.of(out or f"{JOBS}/{verb}-{name}")


@contextmanager
def working_on(place: Place) -> Iterator[None]:
    """Hold the folder of a job against other commands, from opening it to its end; the lock of one that died is freed.

    At a URL nothing is held: object stores have no locks. A folder that was made here, or that nobody chose, goes with
    the lock where nothing is left in it.

    Raises:
        ConfigError: Another process works on it, or the folder cannot be written.
    """
    folder = place.folder
    if folder is None:
        yield
        return
    try:
        ours = folder.parent.name == JOBS or not folder.exists()
        try:
            lock = _locked(folder)
        except FileNotFoundError:  # a command that ended this moment has removed the folder
            lock = _locked(folder)
    except Timeout as error:
        raise ConfigError(f"Another process is working on {place.url}; wait for it.") from error
    except OSError as error:
        raise ConfigError(f"{place.url}, the folder of the job, cannot be written: {error}") from error
    try:
        yield
    finally:
        # While it is held the file is no other's. Windows deletes no file that is open, but then releasing it does.
        with suppress(OSError):
            (folder / _LOCK).unlink()
        lock.release()
        with suppress(OSError):  # what is not empty stays
            if ours:
                folder.rmdir()
            if folder.parent.name == JOBS:
                folder.parent.rmdir()


def _locked(folder: Path) -> FileLock:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    lock.acquire()
    return lock


def open_job(
    place: Place,
    verb: str,
    asked: Mapping[str, Any],
    rows: Callable[[], Iterable[Any]],
    narrator: Narrator,
    *,
    anew: bool = False,
) -> Job:
    """The job in a folder: a new one, or the one that was begun there.

    `asked` is what determines the results beside the photos, and `rows` lists these, for the catalogue or to compare
    them with it. Where other photos are listed than the job began with it is refused, or, with `anew`, begun anew: the
    user has not chosen the folder. So is one that holds other files, as after a removal that was cut off.

    Raises:
        ConfigError: The folder holds something else, or a job of something else.
        DataError: The photos are not those that the job began with.
    """
    wanted = {"version": photograft.__version__, "verb": verb, "asked": json.loads(json.dumps(asked))}
    if place.exists(JOB):
        begun = _begun(place, wanted)
        if catalogue_of(rows()) == begun:
            narrator.say(f"Going on with {place.url}")
            return Job(place, begun.n_rows, begun.n_blocks)
        if not anew:
            raise DataError(
                f"{place.url}: the list of photos is not the one that this job began with: put it back, or remove the "
                "folder to begin anew."
            )
        narrator.say("The list of photos changed since this was begun: it begins anew.")
    if anew:
        _clear(place)
    elif set(place.names()) - {_LOCK} or place.names(PARTS):  # nobody knows what parts without their job are
        raise ConfigError(f"{place.url} holds other files and no job: give a new folder, or remove it.")
    try:
        catalogue = write_catalogue(rows(), place)
        stated = {"format": _FORMAT, **wanted, **asdict(catalogue)}
        place.write(JOB, json.dumps(stated, indent=2).encode())
    except OSError as error:
        raise ConfigError(f"{place.url}, the folder of the job, cannot be written: {error}") from error
    return Job(place, catalogue.n_rows, catalogue.n_blocks)


def remove_job(job: Job) -> None:
    """Remove all of a job but its lock, with which the folder goes."""
    _clear(job.place)


@contextmanager
def same_command_goes_on(job: Job, narrator: Narrator) -> Iterator[None]:
    """Ctrl-C in the block says how to go on. Errors are left alone: each says itself what is to be done first."""
    try:
        yield
    except KeyboardInterrupt:
        narrator.say(f"What is finished is in {job.place.url}: the same command goes on with it.")
        raise


def run_job(job: Job, make_work: Callable[[], BlockWork], cluster: Cluster, narrator: Narrator, *, label: str) -> Done:
    """Work through the blocks that have no part yet.

    Raises:
        PhotograftError: what a worker raised; the parts that are written stay, and the same job goes on with them.
    """
    began, todo = time.monotonic(), job.missing()
    if todo and len(todo) < job.n_blocks:
        narrator.say(f"{job.n_blocks - len(todo)} of {job.n_blocks} blocks are done already.")
    facts: dict[str, WorkerFacts] = {}
    n_rows = 0
    with narrator.progress(_rows_of(job, todo), label) as progress:
        for told in _summaries(job, todo, make_work, cluster) if todo else ():
            if told["error"]:
                raise _error(told)
            progress.advance(told["rows"])
            n_rows += told["rows"]
            before = facts.get(told["worker"], WorkerFacts(0, 0.0, 0.0))
            facts[told["worker"]] = WorkerFacts(
                before.n_rows + told["rows"],
                before.seconds + told["seconds"],
                max(before.peak_mb, told["peak_mb"]),
            )
    left = job.missing()
    if left:  # a part that somebody has removed meanwhile
        raise DataError(f"{job.place.url}: {len(left)} parts are missing; run the same command again.")
    _sweep(job.place)
    return Done(n_rows, len(todo), time.monotonic() - began, facts)


class Worker:
    """The actor that Ray Data runs: one block after the other, never two at once."""

    def __init__(self, place: Place, version: str, make_work: Callable[[], BlockWork]) -> None:
        """Open what the work needs; what goes wrong is told with the first block, since an actor cannot."""
        self._place = place
        self._work: BlockWork | None = None
        self._error: Exception | None = None
        try:
            _check_machine(place, version)
            self._work = make_work()
        except Exception as error:  # whatever it is: an actor that cannot start would be started again and again
            self._error = error

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Do one block, write its part, and tell so."""
        number, began = int(batch["block"][0]), time.monotonic()
        told: dict[str, Any] = {"block": number, "rows": 0, "error": "", "kind": ""}
        try:
            if self._error is not None or self._work is None:
                raise self._error or AssertionError
            rows = read_block(self._place, number)
            stamp = {BEGAN: str(time.time_ns()), FILES: files_sha256(statuses_of(rows))}
            table = self._work.run(rows)
            self._place.write_table(f"{PARTS}/{_file(number)}", table.replace_schema_metadata(stamp))
            told["rows"] = table.num_rows
        except Exception as error:
            told |= {"error": str(error) or type(error).__name__, "kind": type(error).__name__}
        told |= {"seconds": time.monotonic() - began, "peak_mb": _peak_mb()}
        told["worker"] = f"{socket.gethostname()}:{os.getpid()}"
        return {name: [value] for name, value in told.items()}


def files_sha256(statuses: Sequence[tuple[int, int] | None]) -> str:
    """What tells that the photos of a block are unchanged, from `photograft.scaling.catalogue.statuses_of`."""
    return hashlib.sha256(json.dumps(statuses).encode()).hexdigest()


def _clear(place: Place) -> None:
    """Remove all of a job but its lock: first job.json, without which nobody goes on with what is left."""
    place.delete(JOB)
    for name in set(place.names()) - {_LOCK}:
        place.delete(name)
    for folder in (PARTS, CATALOGUE):
        (place / folder).remove()


def _begun(place: Place, wanted: Mapping[str, Any]) -> Catalogue:
    """The catalogue of the job that was begun there."""
    try:
        stated = json.loads(place.read(JOB))
        known, catalogue = stated["format"], Catalogue(stated["n_rows"], stated["n_blocks"], stated["sha256"])
        found = {name: stated[name] for name in wanted}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{place.url}/{JOB} is damaged ({error}): remove the folder, or give another.") from error
    if known != _FORMAT:
        raise ModelError(
            f"{place.url}/{JOB} has format {known}, this release reads {_FORMAT}: pip install -U photograft"
        )
    if found != wanted:
        differing = [name for name in ("version", "verb") if wanted[name] != found[name]]
        differing += [name for name in wanted["asked"] if wanted["asked"][name] != found["asked"].get(name)]
        raise ConfigError(
            f"{place.url} holds a job that asked for something else (other {', '.join(differing) or 'settings'}): give "
            "another folder, or remove it."
        )
    return catalogue


def _summaries(
    job: Job, todo: list[int], make_work: Callable[[], BlockWork], cluster: Cluster
) -> Iterator[dict[str, Any]]:
    import ray
    import ray.data
    from ray.exceptions import RayError

    n_workers = max(min(cluster.n_cores, len(todo)), 1)
    dataset = ray.data.from_items([{"block": number} for number in todo], override_num_blocks=len(todo))
    # An actor that dies is started anew on whatever machine has room, and its block repeated; not without end, as where
    # machines have too little memory for it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray 2.60 deprecates how these limits are given, and has no other way yet
        dataset = dataset.map_batches(
            Worker,
            fn_constructor_args=(job.place, photograft.__version__, make_work),
            batch_size=1,
            num_cpus=1,
            max_restarts=RETRIES,
            max_task_retries=RETRIES,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=n_workers, initial_size=n_workers),
        )
    try:
        yield from dataset.iter_rows()
    except RayError as error:
        raise ConfigError(
            f"The Ray cluster could not go on ({last_line(error)}). What is finished is in {job.place.url}: run the "
            "same command again. Every machine of the cluster needs the same Python and photograft "
            f"{photograft.__version__}, installed with the same extras."
        ) from error


def _check_machine(place: Place, version: str) -> None:
    host = socket.gethostname()
    if photograft.__version__ != version:
        raise ConfigError(
            f"the machine {host} of the cluster has photograft {photograft.__version__}, this one {version}: install "
            "the same release on all."
        )
    if not place.exists(JOB):
        raise ConfigError(
            f"the machine {host} of the cluster does not see {place.url}: give --out a folder that all machines share, "
            "or the URL of an object store."
        )


def _error(told: Mapping[str, Any]) -> PhotograftError:
    kind = getattr(errors, told["kind"], None)
    if isinstance(kind, type) and issubclass(kind, PhotograftError):
        error = kind.__new__(kind)  # of some, making one takes more than the message
        error.args = (told["error"],)
        return error
    return ConfigError(f"the worker {told['worker']} could not go on with block {told['block']}: {told['error']}")


def _rows_of(job: Job, todo: list[int]) -> int:
    """Rows that are left to do; how many a block has follows from those before it."""
    sizes, before = [], 0
    for _ in range(job.n_blocks):
        sizes.append(min(block_rows(before), job.n_rows - before))
        before += sizes[-1]
    return sum(sizes[number] for number in todo)


def _sweep(place: Place) -> None:
    """Delete what workers that were killed left of parts that they were writing; a store keeps nothing unfinished."""
    if place.folder is not None:
        for file in (place.folder / PARTS).glob(".*.tmp"):
            with suppress(OSError):  # of one that lives all the same, and has it open
                file.unlink()


def _file(number: int) -> str:
    return f"part-{number:06d}.parquet"


def last_line(error: Exception) -> str:
    """The last line of what was raised, which is where Ray says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _peak_mb() -> float:
    """The highest memory of this process, in megabytes; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
