"""The trials of a search: asked of Optuna, run or taken up, told. Any number of processes may be at it.

Whoever runs a trial holds a lock that frees itself when the process dies, however it dies. A trial that is running
without its lock being held is therefore one that was broken off, and the next process to come takes it up.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from filelock import FileLock, Timeout

from photograft.config.document import write_value
from photograft.config.space import Metric, Pruner, Range, Searched, Space
from photograft.errors import MissingExtraError
from photograft.tracking.run_folder import RunFolder
from photograft.values import Record
from photograft.workflow.scoring import LOWER_IS_BETTER

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

Sampler = Literal["tpe", "grid", "random"]
BASE = "base"
"""The mark of the trial with the base settings, with those of them that lie in the space."""
_REASON, _RUN, _SECONDS = "reason", "run", "seconds"
_DATABASE, _CLAIMS = "trials.db", ".claims.lock"
_WAIT_S = 120.0
"""Seconds that a process waits for the others to let go of the database."""
_FEWEST = 10
"""Finished trials below which nothing is said about the importance of settings."""


@dataclass(frozen=True)
class TrialRow:
    """What is known of a trial: `state` is "complete", "pruned", "failed", "running" or "waiting".

    `values` are those that were tried, by setting, and `curve` what was judged after each epoch, where the trial could
    be pruned.
    """

    number: int
    state: str
    is_base: bool
    score: float | None
    values: Mapping[str, Any]
    run: str
    seconds: float
    reason: str
    curve: tuple[tuple[int, float], ...]


class Pruned(Exception):
    """The trial is given up: others were better at this epoch."""


class Trials:
    """The trials of the search in a folder."""

    def __init__(self, study: optuna.Study, folder: Path, space: Space, sampler: Sampler) -> None:
        self.study, self.folder, self.space, self.sampler = study, folder, space, sampler

    def begin(self, values_of_base: Mapping[str, Any], *, n: int) -> None:
        """Put the base settings first, and behind them, for a grid, as many combinations as are asked for."""
        of_base = {
            each.name: self._stored(each, values_of_base[each.name])
            for each in self.space.settings
            if each.holds(values_of_base[each.name]) and each.counts(values_of_base)
        }
        self.study.enqueue_trial(of_base, user_attrs={BASE: of_base})
        if self.sampler != "grid":
            return
        combinations = list(self.space.grid())
        order = np.random.default_rng(self.space.seed).permutation(len(combinations))
        known = {each.name: each for each in self.space.settings}
        for index in order[: n - 1]:
            chosen = combinations[index]
            self.study.enqueue_trial({name: self._stored(known[name], value) for name, value in chosen.items()})

    def rows(self) -> list[TrialRow]:
        """All trials so far, in their order."""
        return [self._row(each) for each in self.study.get_trials(deepcopy=False)]

    @contextmanager
    def claim(self, *, n: int) -> Iterator[Claimed | None]:
        """The next trial to run, held by its lock: one that was broken off, or a new one while there are fewer than n.

        None where there is nothing to do, though other processes may still be at theirs.
        """
        with self._short_lock():
            claimed = self._broken_off() or self._new(n)
        if claimed is None:
            yield None
            return
        try:
            yield claimed
        finally:
            claimed.lock.release()

    def others_at_work(self) -> bool:
        """Whether another process is running a trial."""
        import optuna

        running = self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        return any(self._is_held(each.number) for each in running)

    def complete(self, claimed: Claimed, score: float, *, run: str, seconds: float) -> None:
        """Tell what a trial came to."""
        claimed.trial.set_user_attr(_RUN, run)
        claimed.trial.set_user_attr(_SECONDS, seconds)
        self.study.tell(claimed.trial, score)

    def fail(self, claimed: Claimed, reason: str, *, seconds: float) -> None:
        """Tell that a trial gave no model, and why."""
        import optuna

        claimed.trial.set_user_attr(_REASON, reason)
        claimed.trial.set_user_attr(_SECONDS, seconds)
        self.study.tell(claimed.trial, state=optuna.trial.TrialState.FAIL)

    def prune(self, claimed: Claimed, *, seconds: float) -> None:
        """Tell that a trial was given up."""
        import optuna

        claimed.trial.set_user_attr(_SECONDS, seconds)
        self.study.tell(claimed.trial, state=optuna.trial.TrialState.PRUNED)

    def importance(self) -> dict[str, float]:
        """How much each setting had to do with being among the best trials, as shares; empty where too few are done.

        Source: Watanabe, Bansal, Hutter, "PED-ANOVA" (IJCAI 2023), as Optuna has it.
        """
        import optuna

        done = self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        tried = [each for each in done if BASE not in each.user_attrs]
        varied = {
            each.name for each in self.space.settings if len({str(t.params.get(each.name)) for t in tried}) > 1
        }  # fmt: skip
        if len(tried) < _FEWEST or len(varied) < 2:
            return {}
        with quiet():
            copy = optuna.create_study(direction=self.study.direction, storage=optuna.storages.InMemoryStorage())
            copy.add_trials(tried)
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            try:
                found = optuna.importance.get_param_importances(copy, evaluator=evaluator, params=sorted(varied))
            except (ValueError, RuntimeError):  # settings that were never tried together
                return {}
        return {name: float(share) for name, share in found.items()}

    # -- claiming ------------------------------------------------------------------------------------------

    @contextmanager
    def _short_lock(self) -> Iterator[None]:
        with FileLock(self.folder / _CLAIMS, timeout=_WAIT_S):
            yield

    def _broken_off(self) -> Claimed | None:
        import optuna

        for frozen in self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            lock = self._lock(frozen.number)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue  # somebody is at it
            self._seed_for(frozen.number)
            trial = optuna.trial.Trial(self.study, frozen._trial_id)
            return Claimed(trial, self._suggest(trial), BASE in frozen.user_attrs, lock, again=True)
        return None

    def _new(self, n: int) -> Claimed | None:
        import optuna

        every = self.study.get_trials(deepcopy=False)
        waiting = [each for each in every if each.state == optuna.trial.TrialState.WAITING]
        if len(every) - len(waiting) >= n or (self.sampler == "grid" and not waiting):
            return None
        self._seed_for(waiting[0].number if waiting else len(every))
        with quiet():
            trial = self.study.ask()
        lock = self._lock(trial.number)
        lock.acquire(timeout=_WAIT_S)
        return Claimed(trial, self._suggest(trial), BASE in trial.user_attrs, lock, again=False)

    def _is_held(self, number: int) -> bool:
        lock = self._lock(number)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def _lock(self, number: int) -> FileLock:
        return FileLock(self.folder / f".trial-{number:04}.lock")

    def _seed_for(self, number: int) -> None:
        """Draw each trial by numbers of its own, so that one that is asked again gets the same values."""
        seed = int(np.random.SeedSequence([self.space.seed, number]).generate_state(1)[0])
        with quiet():
            self.study.sampler = _sampler(self.sampler, seed)

    def _suggest(self, trial: Trial) -> dict[str, Any]:
        """The values to try. Those of the base are its own wherever they lie in the space, and none elsewhere."""
        given = trial.user_attrs.get(BASE)
        chosen: dict[str, Any] = {}
        for each in self.space.settings:
            if (given is None and each.counts(chosen)) or (given is not None and each.name in given):
                with quiet():
                    chosen[each.name] = self._value(trial, each)
        return chosen

    def _value(self, trial: Trial, setting: Searched) -> Any:
        values = setting.values
        if not isinstance(values, Range):
            written = {write_value(value): value for value in values}
            return written[trial.suggest_categorical(setting.name, list(written))]
        if values.whole:
            step = int(values.step or 1)
            return trial.suggest_int(setting.name, int(values.low), int(values.high), step=step, log=values.log)
        return trial.suggest_float(setting.name, values.low, values.high, step=values.step, log=values.log)

    @staticmethod
    def _stored(setting: Searched, value: Any) -> Any:
        return value if isinstance(setting.values, Range) else write_value(value)

    def _row(self, trial: FrozenTrial) -> TrialRow:
        state = {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
        known = {each.name: each for each in self.space.settings}
        return TrialRow(
            number=trial.number,
            state=state,
            is_base=BASE in trial.user_attrs,
            score=trial.value if state == "complete" else None,
            values={name: _read(known[name], value) for name, value in trial.params.items() if name in known},
            run=str(trial.user_attrs.get(_RUN, "")),
            seconds=float(trial.user_attrs.get(_SECONDS, 0.0)),
            reason=str(trial.user_attrs.get(_REASON, "")),
            curve=tuple(sorted(trial.intermediate_values.items())),
        )


@dataclass(frozen=True)
class Claimed:
    """A trial to run: the values to try, and whether it was begun by a process that is gone (`again`)."""

    trial: Trial
    values: dict[str, Any]
    is_base: bool
    lock: FileLock
    again: bool

    @property
    def number(self) -> int:
        """Its place among all trials, from 0."""
        return int(self.trial.number)

    def observe(self, record: Record, *, metric: Metric) -> None:
        """Take note of an epoch of the first fit that is judged, and give up where other trials were better.

        Raises:
            Pruned: the trial is to end.
        """
        judged = record.val_loss if metric in LOWER_IS_BETTER else record.val_accuracy
        epoch = int(record.epoch)
        if judged is None or record.epoch != epoch or not record.fit.endswith(("train", "fold 1")):
            return
        if epoch in self.trial.study.trials[self.number].intermediate_values:
            return  # it was told before the process was stopped
        self.trial.report(judged, epoch)
        if not self.is_base and self.trial.should_prune():
            raise Pruned


@contextmanager
def open_trials(folder: RunFolder, space: Space, sampler: Sampler) -> Iterator[Trials]:
    """The trials of the search in a folder, in a database that several processes may use.

    Raises:
        MissingExtraError: Optuna is not installed.
    """
    require_optuna()
    import optuna

    path = folder.path.absolute() / _DATABASE

    def connect() -> sqlite3.Connection:  # by the path itself, which may hold what has a meaning in an address
        return sqlite3.connect(path, timeout=_WAIT_S, check_same_thread=False)

    with quiet():
        storage = optuna.storages.RDBStorage("sqlite:///trials.db", engine_kwargs={"creator": connect})
    try:
        with quiet():
            study = optuna.create_study(
                storage=storage,
                study_name="trials",
                load_if_exists=True,
                direction="minimize" if space.metric in LOWER_IS_BETTER else "maximize",
                pruner=_pruner(space.pruner),
            )
        yield Trials(study, folder.path, space, sampler)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def require_optuna() -> None:
    """Raise MissingExtraError where Optuna is not installed."""
    try:
        with quiet():
            import optuna
    except ImportError as error:
        raise MissingExtraError("photograft tune", "tune") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what Optuna warns of: parts of it that may still change, in words for programmers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _sampler(name: Sampler, seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    if name == "tpe":  # what others are trying right now counts as bad, so that workers do not try the same
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=seed)


def _pruner(name: Pruner) -> optuna.pruners.BasePruner:
    import optuna

    if name == "hyperband":
        return optuna.pruners.HyperbandPruner()
    return optuna.pruners.NopPruner() if name == "none" else optuna.pruners.MedianPruner(4, n_warmup_steps=2)


def _read(setting: Searched, stored: Any) -> Any:
    if isinstance(setting.values, Range):
        return stored
    return {write_value(value): value for value in setting.values}.get(stored, stored)
