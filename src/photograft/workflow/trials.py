"""The trials of a search: asked of Optuna, run or taken up, told. Any number of processes may be at it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from photograft.config.document import write_value
from photograft.config.space import Metric, Pruner, Range, Searched, Space
from photograft.config.storage_url import VARIABLE, without_password
from photograft.tracking.run_folder import RunFolder
from photograft.values import Record
from photograft.workflow.scoring import LOWER_IS_BETTER
from photograft.workflow.trial_claims import REASON, Claims, FileClaims, StorageClaims, counting, slots_of
from photograft.workflow.trial_storage import (
    StorageProblem,
    open_folder_storage,
    open_shared_storage,
    plain_errors,
    quiet,
)

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

Sampler = Literal["tpe", "grid", "random"]
BASE = "base"
"""The mark of the trial with the base settings, with those of them that lie in the space."""
_RUN, _SECONDS, _PLAN = "run", "seconds", "plan"
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


class Lost(Exception):
    """The trial gave no sign of life for too long, and was given to another process."""


@dataclass(frozen=True)
class SharedStudy:
    """Where several machines keep the trials of a search: the storage, the study in it, and a digest of the plan.

    A study is made where `new`, else joined.
    """

    storage: str
    study: str
    plan: str
    new: bool


class Trials:
    """The trials of a search. `storage` is where several machines keep them, None where it is the folder."""

    def __init__(
        self, study: optuna.Study, space: Space, sampler: Sampler, claims: Claims, *, storage: str | None
    ) -> None:
        self.study, self.space, self.sampler, self.claims, self.storage = study, space, sampler, claims, storage

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
        slots = slots_of(self.study.get_trials(deepcopy=False))
        return [self._row(slot, counting(entries) or entries[-1]) for slot, entries in slots.items()]

    @contextmanager
    def claim(self, *, n: int) -> Iterator[Claimed | None]:
        """The next trial to run, held in the block: one that was broken off, or a new one while there are fewer than n.

        None where there is nothing to do, though other processes may still be at theirs.
        """
        import optuna

        with self.claims.trial(n) as held:
            if held is None:
                yield None
                return
            self._seed_for(held.slot)
            with quiet():
                trial = optuna.trial.Trial(self.study, held.trial_id)
            is_base = BASE in trial.user_attrs
            run = f"trial-{held.slot + 1:04}{held.suffix}"
            yield Claimed(trial, held.slot, run, self._suggest(trial), is_base, held.again, self.storage)

    def others_at_work(self) -> bool:
        """Whether another process is running a trial."""
        return self.claims.others_at_work()

    def are_left(self, n: int) -> bool:
        """Whether any of the first n trials is still to be run, or is running."""
        slots = slots_of(self.study.get_trials(deepcopy=False))
        counts = [counting(entries) for slot, entries in slots.items() if slot < n]
        done = sum(each is not None and each.state.is_finished() for each in counts)
        return done < (len(counts) if self.sampler == "grid" else n)

    def complete(self, claimed: Claimed, score: float, *, run: str, seconds: float) -> None:
        """Tell what a trial came to.

        Raises:
            Lost: it was given to another process, whose result counts.
        """
        if math.isnan(score):
            self.fail(claimed, "its score is no number", seconds=seconds)
            return
        with _telling(claimed):
            claimed.trial.set_user_attr(_RUN, run)
            claimed.trial.set_user_attr(_SECONDS, seconds)
            self.study.tell(claimed.trial, score)

    def fail(self, claimed: Claimed, reason: str, *, seconds: float) -> None:
        """Tell that a trial gave no model, and why; raises like `complete`."""
        import optuna

        with _telling(claimed):
            claimed.trial.set_user_attr(REASON, reason)
            claimed.trial.set_user_attr(_SECONDS, seconds)
            self.study.tell(claimed.trial, state=optuna.trial.TrialState.FAIL)

    def prune(self, claimed: Claimed, *, seconds: float) -> None:
        """Tell that a trial was given up; raises like `complete`."""
        import optuna

        with _telling(claimed):
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

    def _row(self, number: int, trial: FrozenTrial) -> TrialRow:
        state = {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
        known = {each.name: each for each in self.space.settings}
        return TrialRow(
            number=number,
            state=state,
            is_base=BASE in trial.user_attrs,
            score=trial.value if state == "complete" else None,
            values={name: _read(known[name], value) for name, value in trial.params.items() if name in known},
            run=str(trial.user_attrs.get(_RUN, "")),
            seconds=float(trial.user_attrs.get(_SECONDS, 0.0)),
            reason=str(trial.user_attrs.get(REASON, "")),
            curve=tuple(sorted(trial.intermediate_values.items())),
        )


@dataclass(frozen=True)
class Claimed:
    """A trial to run: its place among all, from 0, the name of its `run`, the values to try, and whether a process that
    is gone began it (`again`).
    """

    trial: Trial
    number: int
    run: str
    values: dict[str, Any]
    is_base: bool
    again: bool
    storage: str | None

    def observe(self, record: Record, *, metric: Metric) -> None:
        """Take note of an epoch of the first fit that is judged, and give up where other trials were better.

        Raises:
            Pruned: the trial is to end.
            Lost: it was given to another process.
        """
        judged = record.val_loss if metric in LOWER_IS_BETTER else record.val_accuracy
        epoch = int(record.epoch)
        if judged is None or record.epoch != epoch or not record.fit.endswith(("train", "fold 1")):
            return
        with _telling(self):
            if epoch in self.trial.study.trials[self.trial.number].intermediate_values:
                return  # it was told before the process was stopped
            self.trial.report(judged, epoch)
            pruned = not self.is_base and self.trial.should_prune()
        if pruned:
            raise Pruned


@contextmanager
def open_trials(
    folder: RunFolder, space: Space, sampler: Sampler, *, shared: SharedStudy | None = None
) -> Iterator[Trials]:
    """The trials of the search in a folder: in a database there, or in the storage that several machines share.

    Raises:
        MissingExtraError: Optuna is not installed.
        StorageProblem: The storage cannot be used, or does not have this search.
    """
    queued = sampler == "grid"
    if shared is None:
        with open_folder_storage(folder.path) as storage:
            study = _study(storage, "trials", space, new=True)
            claims: Claims = FileClaims(study, folder.path, queued=queued)
            yield Trials(study, space, sampler, claims, storage=None)
        return
    with open_shared_storage(shared.storage, folder.path, grace=space.grace, new=shared.new) as opened:
        try:
            study, end = (_study(opened, name, space, new=shared.new) for name in (shared.study, f"{shared.study} end"))
        except KeyError:
            raise StorageProblem(
                f"the storage {without_password(shared.storage)} does not have the search {shared.study}: it was begun "
                f"in another one; name that in {VARIABLE}."
            ) from None
        if shared.new:
            study.set_user_attr(_PLAN, shared.plan)
        elif study.user_attrs.get(_PLAN) != shared.plan:
            raise StorageProblem(
                f"{folder.path} is not what the search {shared.study} was begun with: its base.yaml, space.yaml or "
                "splits.csv were changed, or are an older copy. Every machine needs the same folder."
            )
        yield Trials(study, space, sampler, StorageClaims(study, end, opened, queued=queued), storage=shared.storage)


@contextmanager
def _telling(claimed: Claimed) -> Iterator[None]:
    """Raise Lost where the trial is over although this process did not end it, and say what the storage refuses."""
    import optuna

    storage = claimed.storage
    try:
        with plain_errors(storage):
            try:
                yield
            except ValueError as error:  # it was ended between two steps of telling
                if not claimed.trial.storage.get_trial(claimed.trial._trial_id).state.is_finished():
                    raise
                raise Lost from error
    except optuna.exceptions.UpdateFinishedTrialError as error:
        raise Lost from error
    except OSError as error:
        if storage is None:
            raise
        raise StorageProblem(f"the storage {without_password(storage)} cannot be used ({error}).") from error


def _study(storage: optuna.storages.BaseStorage, name: str, space: Space, *, new: bool) -> optuna.Study:
    import optuna

    with quiet():
        if not new:
            return optuna.load_study(storage=storage, study_name=name, pruner=_pruner(space.pruner))
        return optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="minimize" if space.metric in LOWER_IS_BETTER else "maximize",
            pruner=_pruner(space.pruner),
        )


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
