"""`tune`: settings searched, every trial a run on one split, the winner judged once on photos that chose nothing."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from photograft.config import Config
from photograft.config.space import read_space
from photograft.config.storage_url import JOURNAL, given_storage
from photograft.data.files import printable
from photograft.errors import ConfigError, DataError, PhotograftError
from photograft.reporting.tune_document import trial_line, tune_lines
from photograft.tracking.run_folder import create_run, run_stem
from photograft.workflow.narrator import Narrator, Progress, Silent
from photograft.workflow.resolve import with_whole_paths
from photograft.workflow.scoring import score_run
from photograft.workflow.trial_storage import StorageProblem, open_shared_storage, require_optuna
from photograft.workflow.trials import Claimed, Lost, Pruned, Sampler, Trials, open_trials
from photograft.workflow.tune_plan import (
    Plan,
    Search,
    begin_search,
    now,
    open_search,
    require_same_photos,
    write_plan,
)
from photograft.workflow.untouched import require_outside
from photograft.workflow.winner import conclude, find_or_train, remove_runs, write_document

TRIALS = 20
_POLL_S = 2.0
"""Seconds between two looks at what the other machines have done."""
_BETWEEN_S = 20.0
"""Seconds that another machine may take from the end of a trial to the next."""
_STOP_S = 120.0
"""Seconds that workers have to end their step and save."""


@dataclass(frozen=True)
class Tuned:
    """A search: its folder, and what tune.json holds."""

    folder: Path
    document: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As `photograft tune --json` prints it."""
        return {"folder": str(self.folder), **self.document}

    def lines(self) -> list[str]:
        """The same for people."""
        return tune_lines(self.document, folder=self.folder)


def tune(
    photos: str | os.PathLike[str],
    *,
    space: str | os.PathLike[str],
    config: Config | None = None,
    trials: int = TRIALS,
    minutes: float | None = None,
    sampler: Sampler = "tpe",
    workers: int = 1,
    name: str | None = None,
    runs_dir: str | os.PathLike[str] = "runs",
    narrator: Narrator | None = None,
) -> Tuned:
    """Search settings: every trial is a run, the best is trained once more and judged on the test part.

    Trials see nothing of the test part. The first has the base settings, and the winner is compared with it.

    Args:
        photos: As `train` takes them.
        space: A YAML file that says which values of which settings to try, and what a trial is judged by.
        config: The base settings, which the space changes.
        trials: How many to run, the base included.
        minutes: Time after which no trial is begun.
        sampler: "tpe" learns from earlier trials, "grid" takes every combination, "random" draws.
        workers: Processes that run trials side by side.
        name: Of the search; by default that of the photos.
        runs_dir: Where the folder of the search is made.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: The space or a setting is wrong, or the storage that several machines share cannot be used.
        DataError: The photos need attention.
        TrainingError: No trial gave a model.
        MissingExtraError: Optuna is not installed.
    """
    root, narrator = Path(photos), narrator or Silent()
    require_optuna()
    base, file = with_whole_paths(config or Config()), Path(space)
    found = read_space(file, base)
    _require_storage(given_storage(found.storage), found.grace)
    if sampler == "grid":
        trials = min(trials, 1 + sum(1 for _ in found.grid()))
    if not root.exists():
        raise DataError(f"there is no {printable(root)}: give a folder of photos, or what else `train` takes.")
    name = name or (root.resolve().name if root.is_dir() else root.name.partition(".")[0])
    run_stem(f"{name}-tune")
    if root.is_dir():
        require_outside(Path(runs_dir), [root], option="--runs-dir")
    plan = Plan(str(root.absolute()), name, now(), trials, minutes, sampler)
    folder = create_run(Path(runs_dir), f"{name}-tune")
    with folder.locked():
        search = begin_search(folder, plan, base, file, narrator)
    return _go_on(search, narrator, minutes=minutes, workers=workers)


def resume_tuning(
    search: str | os.PathLike[str],
    *,
    photos: str | os.PathLike[str] | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    workers: int = 1,
    narrator: Narrator | None = None,
) -> Tuned:
    """Go on with a search that was stopped, or join one that is running; `trials` may be more or fewer than before.

    A trial that was broken off is finished from its own run where it was fine-tuning, else run again with the same
    settings. Time counts anew. Where several machines are at it, `photos` says where they are on this one, and a trial
    is finished from its run only if its process gave it back: one that fell silent may be writing there still.

    Raises:
        ModelError: The folder is no search.
        ConfigError: The storage that several machines share cannot be used.
        DataError: Its photos are not there any more, or are others than on the other machines.
        TrainingError: No trial gave a model.
    """
    found, narrator = open_search(Path(search)), narrator or Silent()
    require_optuna()
    if photos is not None and found.storage is None:
        raise ConfigError("photos beside --resume are for a search with a `storage`; leave them out.")
    written = found.plan.photos
    if photos is not None:
        found = replace(found, plan=replace(found.plan, photos=str(Path(photos).absolute())))
    if not Path(found.plan.photos).exists():  # else every trial that is left would fail, and count
        raise DataError(
            f"the photos of this search are not at {printable(Path(found.plan.photos))}: "
            + ("put them back there." if found.storage is None else "say where: photograft tune PHOTOS --resume FOLDER")
        )
    if trials is not None and trials != found.plan.trials:
        found = replace(found, plan=replace(found.plan, trials=trials))
        write_plan(replace(found, plan=replace(found.plan, photos=written)))
    if found.storage is not None:
        with open_trials(found.folder, found.space, found.plan.sampler, shared=found.shared()):
            pass  # what is wrong with the storage is said before all photos are read
        require_same_photos(found, narrator)
    minutes = minutes if minutes is not None else found.plan.minutes
    return _go_on(found, narrator, minutes=minutes, workers=workers)


def _require_storage(storage: str | None, grace: int) -> None:
    """Say what is wrong with a database before all photos are read."""
    if storage is not None and not storage.startswith(JOURNAL):
        with open_shared_storage(storage, Path(), grace=grace, new=True):
            pass


def _go_on(search: Search, narrator: Narrator, *, minutes: float | None, workers: int) -> Tuned:
    """Run trials until there are enough or the time is up; whoever ends the last one trains the winner."""
    path = search.folder.path
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    narrator.say(f"Search: {path}")
    try:
        with open_trials(search.folder, search.space, search.plan.sampler, shared=search.shared()) as trials:
            with _workers(search, workers - 1, minutes) as helpers:
                _run_trials(search, trials, narrator, deadline)
                for helper in helpers:
                    helper.wait()
            with trials.claims.ending(narrator) as suffix:
                if not _is_past(deadline):  # what was broken off since is taken up here, before the test part is opened
                    _run_trials(search, trials, narrator, deadline)
                if _are_others_at_it(trials, n=search.plan.trials):
                    narrator.say("Other processes are still at their trials; the last of them ends the search.")
                    document = write_document(search, trials)
                else:
                    document = conclude(search, trials, narrator, suffix=suffix)
    except (KeyboardInterrupt, StorageProblem):
        narrator.say(f"Go on with: photograft tune --resume {shlex.quote(str(path))}")
        raise
    narrator.say(f"Search: {path / 'tune.html'}")
    return Tuned(path, document)


@contextmanager
def _workers(search: Search, n: int, minutes: float | None) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Other processes at the same search, each with a log in its folder; none is left when the block ends."""
    path = search.folder.path
    here = [search.plan.photos] if search.storage is not None else []
    host = f"{socket.gethostname()}-" if search.storage is not None else ""
    command = [sys.executable, "-m", "photograft", "tune", *here, "--resume", str(path.absolute())]
    command += [] if minutes is None else ["--minutes", f"{minutes:g}"]
    helpers: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(2, n + 2):
            with (path / f"worker-{host}{number}.log").open("ab") as log:
                helpers.append(
                    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
                )
        yield helpers
    finally:
        for helper in helpers:
            if helper.poll() is None:
                helper.terminate()
        for helper in helpers:
            try:
                helper.wait(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                helper.kill()
                helper.wait()


def _is_past(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _are_others_at_it(trials: Trials, *, n: int) -> bool:
    """Whether another process runs a trial or, on another machine, is about to: it may be between two of them."""
    until = time.monotonic() + _BETWEEN_S
    while not trials.others_at_work():
        if not trials.claims.waits or not trials.are_left(n) or _is_past(until):
            return False
        time.sleep(_POLL_S)
    return True


def _run_trials(search: Search, trials: Trials, narrator: Narrator, deadline: float | None) -> None:
    waited = alone = False
    while not _is_past(deadline):
        with trials.claim(n=search.plan.trials) as claimed:
            if claimed is not None:
                if claimed.again:
                    narrator.say(f"Trial {claimed.number + 1} was broken off; it is taken up.")
                _run_trial(search, trials, claimed, narrator)
        if claimed is not None:
            document = write_document(search, trials)
            narrator.say(trial_line(document, claimed.number + 1))
            alone = False
            continue
        if not trials.claims.waits or alone:
            return
        alone = not trials.others_at_work()
        if alone:  # what another process gave back since the claim is there to be claimed now
            continue
        if not waited:
            narrator.say("Waiting for the trials of other processes; one that is broken off is taken up here.")
            waited = True
        time.sleep(_POLL_S)
    narrator.say("The time is up.")


def _run_trial(search: Search, trials: Trials, claimed: Claimed, narrator: Narrator) -> None:
    """Run a trial and tell what came of it. What is stopped from outside stays as it is, to be taken up."""
    try:
        _judge_trial(search, trials, claimed, narrator)
    except Lost:
        narrator.say(
            f"Trial {claimed.number + 1} gave no sign of life for {search.space.grace} s and was given to another "
            "process; what it came to here does not count."
        )


def _judge_trial(search: Search, trials: Trials, claimed: Claimed, narrator: Narrator) -> None:
    began, plan, metric = time.monotonic(), search.plan, search.space.metric
    quiet = _Quiet(narrator, f"Trial {claimed.number + 1}")
    try:
        config = search.settings(claimed.values)
        run = find_or_train(
            search, claimed.run, config, narrator=quiet, observe=lambda record: claimed.observe(record, metric=metric)
        )
        score = score_run(run, metric, part=plan.part)
    except (Lost, StorageProblem):
        raise
    except Pruned:
        trials.prune(claimed, seconds=time.monotonic() - began)
        remove_runs(search, claimed.run)  # only now: of a trial that was given away nothing is removed
    except Exception as error:  # whatever it is, the search goes on
        trials.fail(claimed, _in_words(error), seconds=time.monotonic() - began)
        remove_runs(search, claimed.run)
    else:
        trials.complete(claimed, score, run=run.name, seconds=time.monotonic() - began)


def _in_words(error: Exception) -> str:
    if isinstance(error, PhotograftError | OSError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}"


class _Quiet:
    """Leaves out what a run says of itself; its progress is shown with the name of the trial before it."""

    def __init__(self, narrator: Narrator, name: str) -> None:
        self._narrator, self._name = narrator, name

    def say(self, text: str) -> None:
        """Tell nothing."""

    def progress(self, total: int, label: str) -> AbstractContextManager[Progress]:
        """Show how far the trial is."""
        return self._narrator.progress(total, f"{self._name}: {label}")
