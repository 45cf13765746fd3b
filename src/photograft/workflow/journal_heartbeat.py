"""Optuna's journal with the signs of life that its databases have, so that a trial of a dead machine is found.

Imported late: it needs Optuna.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

_BEAT = "beat"
_LOCK_S = 30
"""Seconds after which the lock of a dead process is freed at the latest."""


class BeatingJournal(JournalStorage, BaseHeartbeat):
    """A journal in a file. A running trial whose beat did not change while this process watched `grace` s is stale.

    Nobody's clock is compared with another's. The lock is a file made by O_EXCL, which holds on NFS from version 3 on,
    on SMB and on Windows, and frees itself where its owner died: after half of `grace` at the latest, since meanwhile
    nobody can give a sign of life.
    """

    def __init__(self, path: Path, *, grace: int, interval: int) -> None:
        file = str(path)
        lock = JournalFileOpenLock(file, grace_period=max(1, min(_LOCK_S, grace // 2)))
        super().__init__(JournalFileBackend(file, lock_obj=lock))
        self._grace, self._interval = grace, interval
        self._watched: dict[int, dict[int, tuple[Any, float]]] = {}

    def record_heartbeat(self, trial_id: int) -> None:
        """Note that the trial is alive."""
        self.set_trial_user_attr(trial_id, _BEAT, uuid.uuid4().hex)

    def get_heartbeat_interval(self) -> int:
        """Seconds between two signs of life."""
        return self._interval

    def get_heartbeat_stale_trial_callback(self) -> Callable[..., None] | None:
        """Nothing is done with a stale trial but to fail it."""
        return None

    def get_failed_trial_callback(self) -> Callable[..., None] | None:
        """The same by the name that it had before Optuna 4.9."""
        return None

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        running = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        before, now = self._watched.get(study_id, {}), time.monotonic()
        watched: dict[int, tuple[Any, float]] = {}
        for trial in running:
            beat, seen = trial.user_attrs.get(_BEAT), before.get(trial._trial_id)
            watched[trial._trial_id] = seen if seen is not None and seen[0] == beat else (beat, now)
        self._watched[study_id] = watched
        return [trial_id for trial_id, (_, since) in watched.items() if now - since > self._grace]
