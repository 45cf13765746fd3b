"""Who runs which trial, and who ends the search: by file locks on one machine, by the storage on several.

On one machine whoever runs a trial holds a lock that frees itself when the process dies, however it dies. A trial that
is running without its lock being held is therefore one that was broken off, and the next process to come takes it up.

Several machines trust no file lock. What a storage does whole or not at all is to number new trials, to let one process
alone turn a waiting trial into a running one, and to end a trial once. So each of the n trials of a search is a slot of
its own. In a slot the first entry that was not broken off counts. Where all were, whoever sees it adds another; where
two do, the later one never runs. A running entry without a sign of life is ended as broken off. Whoever was at it may
be alive all the same and not know yet, so its run folder is left alone, and the next one begins in a folder of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from photograft.workflow.narrator import Narrator
from photograft.workflow.trial_storage import WAIT_S, beating, quiet

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from photograft.workflow.trial_storage import Storage

REASON = "reason"
"""Every trial that failed by itself has one; one that was broken off has none."""
_SLOT, _GIVEN_BACK = "slot", "given back"
AGAIN = "-again-"
"""Stands in the name of a run before the number of the claim that it belongs to."""
_CLAIMS, _FINISH = ".claims.lock", ".finish.lock"
_POLL_S = 2.0


@dataclass(frozen=True)
class Held:
    """An entry of the storage to run, its slot, and whether a process that is gone began it (`again`).

    `suffix` belongs behind the name of its run: empty, or of this claim alone where whoever held it before fell silent.
    """

    trial_id: int
    slot: int
    again: bool
    suffix: str = ""


class Claims(Protocol):
    """How processes agree. `waits` says whether one that has nothing to do stays until the others are done."""

    waits: bool

    @contextmanager
    def trial(self, n: int) -> Iterator[Held | None]:
        """One of the first n trials, held during the block: broken off, or new; None where none is to be had."""

    def others_at_work(self) -> bool:
        """Whether anybody is running a trial."""

    @contextmanager
    def ending(self, narrator: Narrator) -> Iterator[str]:
        """Keep everybody else from ending the search during the block; gives what `Held.suffix` is for a trial."""


def slots_of(trials: Sequence[FrozenTrial]) -> dict[int, list[FrozenTrial]]:
    """The entries of every slot, in their order."""
    slots: dict[int, list[FrozenTrial]] = {}
    for each in sorted(trials, key=lambda trial: trial.number):
        slots.setdefault(int(each.user_attrs.get(_SLOT, each.number)), []).append(each)
    return dict(sorted(slots.items()))


def counting(entries: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The entry of a slot that counts; None where all were broken off."""
    return next((each for each in entries if not (each.state.name == "FAIL" and REASON not in each.user_attrs)), None)


class FileClaims:
    """By locks in the folder of the search. With `queued` there are no trials but those that wait from the start."""

    waits = False

    def __init__(self, study: optuna.Study, folder: Path, *, queued: bool) -> None:
        self._study, self._folder, self._queued = study, folder, queued

    @contextmanager
    def trial(self, n: int) -> Iterator[Held | None]:
        """One of the first n trials, held by its lock during the block."""
        with FileLock(self._folder / _CLAIMS, timeout=WAIT_S):
            found = self._broken_off() or self._new(n)
        if found is None:
            yield None
            return
        held, lock = found
        try:
            yield held
        finally:
            lock.release()

    def others_at_work(self) -> bool:
        """Whether another process is running a trial."""
        return any(self._is_held(each.number) for each in self._running())

    @contextmanager
    def ending(self, narrator: Narrator) -> Iterator[str]:
        """Hold the lock of the end during the block."""
        with FileLock(self._folder / _FINISH):
            yield ""

    def _broken_off(self) -> tuple[Held, FileLock] | None:
        for each in self._running():
            lock = self._lock(each.number)
            with suppress(Timeout):  # somebody is at it
                lock.acquire(timeout=0)
                return Held(each._trial_id, each.number, again=True), lock
        return None

    def _new(self, n: int) -> tuple[Held, FileLock] | None:
        every = self._study.get_trials(deepcopy=False)
        waiting = [each for each in every if each.state.name == "WAITING"]
        if len(every) - len(waiting) >= n or (self._queued and not waiting):
            return None
        with quiet():
            trial = self._study.ask()
        lock = self._lock(trial.number)
        lock.acquire(timeout=WAIT_S)
        return Held(trial._trial_id, trial.number, again=False), lock

    def _running(self) -> list[FrozenTrial]:
        return [each for each in self._study.get_trials(deepcopy=False) if each.state.name == "RUNNING"]

    def _is_held(self, number: int) -> bool:
        lock = self._lock(number)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def _lock(self, number: int) -> FileLock:
        return FileLock(self._folder / f".trial-{number:04}.lock")


class StorageClaims:
    """Through the storage alone. `end` is a study whose first entry that is not over is held by who ends the search."""

    waits = True

    def __init__(self, study: optuna.Study, end: optuna.Study, storage: Storage, *, queued: bool) -> None:
        self._study, self._end, self._storage, self._queued = study, end, storage, queued

    @contextmanager
    def trial(self, n: int) -> Iterator[Held | None]:
        """One of the first n trials, alive during the block; what is not told at its end is given to others."""
        held = self._take_one(n)
        if held is None:
            yield None
            return
        with self._held(held.trial_id):
            yield held

    def others_at_work(self) -> bool:
        """Whether a trial is running that gives signs of life."""
        self._fail_silent(self._study)
        slots = slots_of(self._study.get_trials(deepcopy=False)).values()
        return any(each is not None and each.state.name == "RUNNING" for each in map(counting, slots))

    @contextmanager
    def ending(self, narrator: Narrator) -> Iterator[str]:
        """Hold the first open entry of the end during the block, and wait for it where another machine does."""
        told = False
        while (held := self._take_end()) is None:
            if not told:
                narrator.say("Another process is ending the search; waiting for it ...")
                told = True
            time.sleep(_POLL_S)
        with self._held(held.trial_id):
            yield held.suffix

    def _take_one(self, n: int) -> Held | None:
        self._fail_silent(self._study)
        slots = slots_of(self._study.get_trials(deepcopy=False))
        broken = [slot for slot, entries in slots.items() if slot < n and counting(entries) is None]
        for slot in [*broken, *(slot for slot in range(n) if slot not in broken)]:
            if slot not in slots and self._queued:
                continue
            before = slots.get(slot, [])
            entry = counting(before) or self._added(slot, before)
            if entry.state.name == "WAITING" and self._take(entry):
                again = bool(before) and before[0].number != entry.number
                return Held(entry._trial_id, slot, again, _suffix(before, entry))
        return None

    def _added(self, slot: int, broken: Sequence[FrozenTrial]) -> FrozenTrial:
        """Add an entry to a slot that has none, or only broken ones; gives the one that counts then."""
        import optuna

        if not broken:
            self._study.enqueue_trial({}, user_attrs={_SLOT: slot})
        else:
            last = next((each for each in reversed(broken) if each.params), broken[-1])
            again = optuna.trial.create_trial(
                state=optuna.trial.TrialState.WAITING,
                params=last.params,
                distributions=last.distributions,
                user_attrs={**{k: v for k, v in last.user_attrs.items() if k != _GIVEN_BACK}, _SLOT: slot},
                system_attrs=last.system_attrs,
                intermediate_values=last.intermediate_values,
            )
            self._study.add_trial(again)
        entries = slots_of(self._study.get_trials(deepcopy=False))[slot]
        counts = counting(entries) or entries[-1]
        for each in entries:
            if each.number > counts.number and each.state.name == "WAITING":
                self._end_entry(each._trial_id)  # another process added one as well
        return counts

    def _take_end(self) -> Held | None:
        self._fail_silent(self._end)
        while True:
            trials = self._end.get_trials(deepcopy=False)
            first = next((each for each in trials if not each.state.is_finished()), None)
            if first is None:
                self._end.enqueue_trial({})
                continue
            if first.state.name != "WAITING" or not self._take(first):
                return None
            return Held(first._trial_id, 0, again=False, suffix=_suffix(trials, first))

    def _take(self, entry: FrozenTrial) -> bool:
        """Turn a waiting entry into a running one; False where another process was faster."""
        import optuna

        try:
            # A sign of life comes first: of one that died in between, nobody would know whether it ever lived.
            self._storage.record_heartbeat(entry._trial_id)
            return bool(self._storage.set_trial_state_values(entry._trial_id, state=optuna.trial.TrialState.RUNNING))
        except optuna.exceptions.UpdateFinishedTrialError:
            return False

    @contextmanager
    def _held(self, trial_id: int) -> Iterator[None]:
        """Give signs of life during the block, and end the entry behind it as broken off, unless it was told."""
        try:
            with beating(self._storage, trial_id):
                yield
        finally:
            with suppress(Exception):  # where the storage is away, the others find it silent
                self._end_entry(trial_id, given_back=True)

    def _end_entry(self, trial_id: int, *, given_back: bool = False) -> None:
        """End an entry as broken off, unless it is over; `given_back` by who ran it, and is at its run no more."""
        import optuna

        with suppress(optuna.exceptions.UpdateFinishedTrialError):
            if not self._storage.get_trial(trial_id).state.is_finished():
                if given_back:
                    self._storage.set_trial_user_attr(trial_id, _GIVEN_BACK, True)
                self._storage.set_trial_state_values(trial_id, state=optuna.trial.TrialState.FAIL)

    @staticmethod
    def _fail_silent(study: optuna.Study) -> None:
        import optuna

        with quiet():
            optuna.storages.fail_stale_trials(study)


def _suffix(entries: Sequence[FrozenTrial], mine: FrozenTrial) -> str:
    """What `mine` has behind the name of its run: the same as the entry begun before it, if that one was given back."""
    begun = [each for each in entries if each.number < mine.number and each.datetime_start is not None]
    suffix = ""
    for before, each in pairwise([*begun, mine]):
        if _GIVEN_BACK not in before.user_attrs:
            suffix = f"{AGAIN}{each.number}"
    return suffix
