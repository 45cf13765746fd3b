"""One fit of fine-tuning from beginning to end: progress, records, checkpoints, and going on after a stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from photograft.errors import ConfigError
from photograft.reporting.training_records import records_jsonl
from photograft.tracking.run_folder import CHECKPOINTS, RunFolder, name_stem
from photograft.training.ranks import ALONE, Ranks
from photograft.values import Record
from photograft.workflow.evaluations import keep_evaluation
from photograft.workflow.narrator import Narrator
from photograft.workflow.stopping import stop_on_request

if TYPE_CHECKING:
    from photograft.training.loop import Fit, Task
    from photograft.training.pretraining import Pretraining

CHECKPOINT_S = 60.0
"""Seconds after which the state is saved again, however many steps were made."""

Observer = Callable[[Record], None]


@dataclass
class FitRunner:
    """Runs the fits of one run, one after the other.

    What was saved under the name of a fit is taken up. `records` and `seconds` are those of all fits so far, by name.
    `observe` is told every evaluation; what it raises stops the work. Of several processes the leader saves and writes.
    """

    run: RunFolder
    narrator: Narrator
    checkpoint_steps: int | Literal["auto"]
    observe: Observer | None = None
    ranks: Ranks = ALONE
    records: dict[str, Sequence[Record]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def complete(self, task: Task) -> Fit:
        """Run the fit to its end, from where its newest checkpoint stands.

        A first Ctrl-C or SIGTERM ends the step, or the evaluation, saves and then stops the program.

        Raises:
            TrainingError: the loss is no longer finite; the checkpoint before it stays.
            ConfigError: a checkpoint cannot be written.
        """
        from photograft.training.checkpoint import load_checkpoint
        from photograft.training.loop import Fit

        fit, folder = Fit(task), checkpoint_folder(self.run, task.name)
        saved = self.ranks.checkpoint(lambda: load_checkpoint(folder))
        if saved is not None:
            fit.load_state(saved.tensors, saved.info)
            for name in saved.damaged:
                self.narrator.say(f"{name} is damaged; the checkpoint before it is used.")
            if fit.step < fit.last_step and not fit.ended:
                self.narrator.say(f"{_title(task.name)}: going on at step {fit.step} of {fit.last_step}.")
        else:
            self._save(fit, folder)
        if not fit.ended:
            with self.narrator.progress(fit.last_step - fit.step, _title(task.name)) as progress:
                self._follow(fit, folder, progress.advance)
        else:
            for _ in fit.run():  # puts the best weights in place
                pass
        self.records[task.name] = tuple(fit.records)
        self.seconds[task.name] = fit.seconds
        return fit

    def _follow(self, fit: Fit, folder: Path, advance: Callable[[], None]) -> None:
        from photograft.training.loop import Step

        saved_at = time.monotonic()
        with stop_on_request(several=self.ranks.size > 1) as stop, closing(fit.run()) as events:
            for event in events:
                if isinstance(event, Step):
                    advance()
                    due = self.checkpoint_steps != "auto" and event.step % self.checkpoint_steps == 0
                else:
                    if self.ranks.leads:
                        self._note(fit, event)
                    due = True
                saves = due or stop.made or time.monotonic() - saved_at >= CHECKPOINT_S
                if saves:
                    self._save(fit, folder)
                    saved_at = time.monotonic()
                # All end behind the same step, whichever of them was asked to.
                asked = self.ranks.highest(stop.number or 0)
                if asked:
                    if not saves:
                        self._save(fit, folder)
                    stop.number = asked
                    return
            self._save(fit, folder)

    def _save(self, fit: Fit, folder: Path) -> None:
        if self.ranks.leads:
            save_state(fit, folder)

    def _note(self, fit: Fit, record: Record) -> None:
        self._tell(record)
        keep_evaluation(self.run, fit, record)
        self._write_records(fit)
        if self.observe is not None:
            self.observe(record)

    def _write_records(self, fit: Fit) -> None:
        every = {**self.records, fit.task.name: fit.records}
        self.run.write("records.jsonl", "".join(records_jsonl(records) for records in every.values()))

    def _tell(self, record: Record) -> None:
        judged = ""
        if record.val_loss is not None and record.val_accuracy is not None:
            judged = f", validation loss {record.val_loss:.3f}, accuracy {record.val_accuracy:.3f}"
        best = " (best)" if record.best else ""
        self.narrator.say(f"{_title(record.fit)}: epoch {record.epoch:g}, loss {record.train_loss:.3f}{judged}{best}")


def save_state(fit: Fit | Pretraining, folder: Path) -> None:
    """Save where the fit stands.

    Raises:
        ConfigError: it cannot be written.
    """
    from photograft.training.checkpoint import save_checkpoint

    try:
        save_checkpoint(folder, *fit.state(), step=fit.step)
    except OSError as error:
        raise ConfigError(
            f"{folder}: a checkpoint cannot be written ({error}); the one before it is kept. Make room there."
        ) from error


def checkpoint_folder(run: RunFolder, fit: str) -> Path:
    """Where the checkpoints of a fit are."""
    return run.path / CHECKPOINTS / name_stem(fit).replace(" ", "-")


def _title(fit: str) -> str:
    return f"Fine-tuning ({fit})"
