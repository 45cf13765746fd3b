"""`pretrain`: photos without labels train an autoencoder, whose encoder other runs begin with."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save as save_tensors

from photograft.config import Config, as_document, load_config, to_yaml
from photograft.errors import DataError, MissingExtraError
from photograft.evaluation.reconstruction import Error, mean_error, psnr_db, trivial_errors
from photograft.models.catalogue import NETWORK_FILE
from photograft.models.own_names import OwnNetwork
from photograft.reporting.pretrain_page import Pretrained, build_pretrained, render_pretrained
from photograft.reporting.reconstruction_sheet import reconstruction_sheet
from photograft.reporting.records import manifest_csv
from photograft.reporting.training_records import records_jsonl
from photograft.tracking.pretrained import DECODER_FILE
from photograft.tracking.run_folder import CHECKPOINTS, STARTED, RunFolder, create_run, run_stem
from photograft.values import DoubleArray, IntArray, Record
from photograft.workflow.clock import Clock
from photograft.workflow.environment import command_line, data_sha256, git_state, versions
from photograft.workflow.fits import CHECKPOINT_S, save_state
from photograft.workflow.grafting import training_device
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.pretrain_photos import PretrainPhotos, read_unlabelled
from photograft.workflow.pretrain_settings import settle, settle_speed, with_settled, without_effect
from photograft.workflow.resolve import with_whole_paths
from photograft.workflow.resume import (
    forget_progress,
    has_begun,
    held_unfinished,
    read_started,
    remove_halves,
    resumable,
)
from photograft.workflow.stopping import stop_on_request
from photograft.workflow.untouched import require_outside

if TYPE_CHECKING:
    from photograft.training.pretraining import Pretraining, Reconstruction

_FORMAT = 1
_VERB = "pretrain"
_JUDGED_TRAINING = 500
"""Photos that trained and are judged for comparison, at most."""
SHEET = "reconstructions.jpg"
"""Photos and what the autoencoder made of them, in the run's folder."""
_UNSPLIT = "no test part is named (split.file): test photos of a later run have been seen here, though without labels"


@dataclass(frozen=True)
class PretrainedRun:
    """A finished pretraining: its folder, and how well photos that it never trained on are reconstructed.

    `errors` has "model", "mean_colour" and "quarter" of held-out photos, and "trained" of photos that trained.
    """

    run: Path
    backbone: str
    px: int
    photos: dict[str, int]
    epochs: int
    errors: dict[str, Error]
    seconds: dict[str, float]
    warnings: tuple[str, ...]

    @property
    def next_command(self) -> str:
        """What to do with it."""
        return next_command(self.run, px=self.px)

    def to_json(self) -> dict[str, Any]:
        """As `photograft pretrain --json` prints it."""
        return {
            "run": str(self.run),
            "backbone": self.backbone,
            "photos": self.photos,
            "epochs": self.epochs,
            "errors": {
                name: {"mse": e.mse, "mse_low": e.low, "mse_high": e.high, "psnr_db": e.psnr_db}
                for name, e in self.errors.items()
            },
            "seconds": {stage: round(s, 3) for stage, s in self.seconds.items()},
            "warnings": list(self.warnings),
        }


def pretrain(
    photos: str | os.PathLike[str],
    *,
    name: str | None = None,
    runs_dir: str | os.PathLike[str] = "runs",
    config: Config | None = None,
    narrator: Narrator | None = None,
) -> PretrainedRun:
    """Train an autoencoder on photos without labels; `model.backbone: run:PATH` then begins with its encoder.

    Args:
        photos: Any folder or archive of photos, however its folders are named, or a table. Nothing of it is changed.
            Photos in folders named test, or in the test part of `split.file`, are left out.
        name: Of the run; by default that of the folder or file.
        runs_dir: Where the run folder is made.
        config: Settings, as `photograft.load_config` reads them; those of `pretrain`, `model.backbone`, `input.px`.
        narrator: Told what happens; nobody by default.

    Raises:
        ConfigError: A setting is wrong, or `runs_dir` lies inside the folder of photos.
        DataError: The photos need attention: none, too many damaged, or too few to hold some out.
        TrainingError: The loss is no longer finite.
        MissingExtraError: The `train` extra is not installed.
    """
    root, runs_dir = Path(photos), Path(runs_dir)
    name = name or f"{root.resolve().name if root.is_dir() else root.name.partition('.')[0]}-pretrain"
    run_stem(name)
    if root.is_dir():
        require_outside(runs_dir, [root], option="--runs-dir")
    asked = with_whole_paths(config or Config())

    def begin(work: _Work) -> RunFolder:
        return create_run(runs_dir, name)

    return _pretrain(root, asked, asked, narrator or Silent(), begin, outside=runs_dir)


def resume_pretraining(run: str | os.PathLike[str], *, narrator: Narrator | None = None) -> PretrainedRun:
    """Go on with a pretraining that was stopped; gives what it would have given, bit for bit on the same CPU.

    Raises:
        ModelError: The folder is no run, one that is finished, or one that another verb began.
        DataError: The photos are no longer those of the run.
        ConfigError: Another process is at it.
    """
    narrator = narrator or Silent()
    with held_unfinished(Path(run), verb=_VERB) as folder:
        started = read_started(folder)
        asked = load_config(folder.path / "config.yaml")
        config = with_settled(asked, load_config(folder.path / "config.resolved.yaml"))
        remove_halves(folder)
        root = Path(started["photos"])
        narrator.say(f"Going on with {folder.path}")

        def taken_up(work: _Work) -> RunFolder:
            same = manifest_csv(work.photos.manifest).encode("utf-8", "surrogateescape")
            if same != (folder.path / "manifest.csv").read_bytes():
                raise DataError(
                    f"{root}: photos, or which of them are for testing, changed since {folder.path} was begun, so it "
                    "cannot go on: put them back, or pretrain anew."
                )
            return folder

        return _pretrain(root, asked, config, narrator, taken_up, outside=None)


@dataclass(frozen=True)
class _Work:
    """Everything that is settled before the first step."""

    root: Path
    asked: Config
    config: Config
    reasons: dict[str, str]
    own: OwnNetwork
    photos: PretrainPhotos
    task: Reconstruction


def _pretrain(
    root: Path,
    asked: Config,
    given: Config,
    narrator: Narrator,
    open_folder: Callable[[_Work], RunFolder],
    *,
    outside: Path | None,
) -> PretrainedRun:
    clock = Clock()
    work = _prepare(root, asked, given, clock, narrator, outside=outside)
    run = open_folder(work)
    goes_on = has_begun(run)
    with nullcontext() if goes_on else run.locked(), resumable(run, narrator, verb=_VERB):
        if not goes_on:
            with run.removed_on_failure():
                _begin(run, work)
        with clock.stage("pretrain"):
            fit = _complete(run, work, narrator)
        with clock.stage("report"):
            done = _finish(run, work, fit, clock)
        forget_progress(run)
    return done


def _prepare(
    root: Path, asked: Config, given: Config, clock: Clock, narrator: Narrator, *, outside: Path | None
) -> _Work:
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("Pretraining", "train")
    config, reasons, own = settle(given)
    if idle := without_effect(asked):
        narrator.say(f"warning: {', '.join(idle)} act in train; what pretrain goes by stands in the section pretrain")
    photos = read_unlabelled(root, config, clock, narrator, outside=outside)
    counts = photos.counts()
    left_out = f", {counts['left_out']:,} left out since they are for testing" if counts["left_out"] else ""
    trained_on = f"{counts['train']:,} photos, {counts['held_out']:,} held out{left_out}"
    narrator.say(f"{own.title} at {config.input.px} px, on {trained_on}")
    if not photos.split_given:
        narrator.say(f"Note: {_UNSPLIT}")
    with clock.stage("measure"):
        task = _task(photos, config, own)
        task, config, reasons = settle_speed(task, config, reasons, narrator, goes_on=given is not asked)
    config = config.model_copy(update={"model": config.model.model_copy(update={"device": task.device})})
    return _Work(root, asked, config, reasons, own, photos, task)


def _task(photos: PretrainPhotos, config: Config, own: OwnNetwork) -> Reconstruction:
    from photograft.models.decoder import build_autoencoder
    from photograft.training.pretraining import Reconstruction

    mean, std = config.model.mean or own.mean, config.model.std or own.std
    return Reconstruction(
        network=build_autoencoder(**own.sizes, mean=mean, std=std, seed=config.train.seed),
        pictures=photos.pictures,
        train_N=photos.train_N,
        held_N=photos.held_N,
        config=config.train,
        noise=config.pretrain.noise,
        flip=config.augment.flip,
        device=training_device(config.model.device),
    )


def _begin(run: RunFolder, work: _Work) -> None:
    """Write what a run needs to go on; started.json is the last, and says that all of it is there."""
    run.write("config.yaml", to_yaml(work.asked))
    run.write("config.resolved.yaml", to_yaml(work.config, reasons=work.reasons))
    run.write("manifest.csv", manifest_csv(work.photos.manifest))
    about = {"format": _FORMAT, "verb": _VERB, **_origin(work)}
    run.write(STARTED, json.dumps(about, indent=2) + "\n")


def _origin(work: _Work) -> dict[str, Any]:
    return {
        "photos": str(work.root.absolute()),
        "data_sha256": data_sha256(work.photos.manifest),
        "command": command_line(),
        "git": git_state(Path.cwd()),
        "versions": versions(),
    }


def _complete(run: RunFolder, work: _Work, narrator: Narrator) -> Pretraining:
    """Train to the end, from where the newest checkpoint stands; a first Ctrl-C or SIGTERM ends the step and saves."""
    from photograft.training.checkpoint import load_checkpoint
    from photograft.training.loop import Step
    from photograft.training.pretraining import Pretraining

    fit, folder = Pretraining(work.task), run.path / CHECKPOINTS / _VERB
    saved = load_checkpoint(folder)
    if saved is None:
        save_state(fit, folder)
    else:
        fit.load_state(saved.tensors, saved.info)
        for name in saved.damaged:
            narrator.say(f"{name} is damaged; the checkpoint before it is used.")
        narrator.say(f"Going on at step {fit.step} of {fit.n_steps}.")
    every, saved_at = work.config.train.checkpoint_steps, time.monotonic()
    with (
        narrator.progress(fit.n_steps - fit.step, "Pretraining") as progress,
        stop_on_request() as stop,
        closing(fit.run()) as events,
    ):
        for event in events:
            if isinstance(event, Step):
                progress.advance()
                due = every != "auto" and event.step % every == 0
            else:
                _tell(event, narrator)
                run.write("records.jsonl", _records_jsonl(fit.records))
                due = True
            if due or stop.made or time.monotonic() - saved_at >= CHECKPOINT_S:
                save_state(fit, folder)
                saved_at = time.monotonic()
            if stop.made:
                break
    return fit


def _tell(record: Record, narrator: Narrator) -> None:
    assert record.val_loss is not None
    held = f"{record.val_loss:.4f} ({psnr_db(record.val_loss):.1f} dB)"
    narrator.say(f"Epoch {record.epoch:g}: error {record.train_loss:.4f}, of held-out photos {held}")


def _records_jsonl(records: list[Record]) -> str:
    """The lines of `records_jsonl`, with the signal-to-noise ratio behind each."""
    lines = zip(records_jsonl(records).splitlines(), records, strict=True)
    rows = [json.loads(line) | {"val_psnr_db": psnr_db(record.val_loss or 0.0)} for line, record in lines]
    return "".join(json.dumps(row) + "\n" for row in rows)


def _finish(run: RunFolder, work: _Work, fit: Pretraining, clock: Clock) -> PretrainedRun:
    """Write the halves of the network, the sheet, the report and the page."""
    config, photos = work.config, work.photos
    run.write("records.jsonl", _records_jsonl(fit.records))
    run.write(NETWORK_FILE, save_tensors(fit.half("encoder")))
    run.write(DECODER_FILE, save_tensors(fit.half("decoder")))
    sheet = _draw_sheet(work, fit) if config.report.thumbnails else b""
    if sheet:
        run.write(SHEET, sheet)
    errors = _judge(work, fit)
    kept, given = fit.count_values()
    assert isinstance(config.input.px, int)
    result = Pretrained(
        run=run.path.name,
        backbone=work.own.title,
        px=config.input.px,
        photos=photos.counts(),
        errors=errors,
        kept=kept,
        given=given,
        epochs=config.pretrain.epochs,
        seconds=fit.seconds,
        split_given=photos.split_given,
        next_command=next_command(run.path, px=config.input.px),
    )
    document = build_pretrained(result, as_document(config), language=config.report.language)
    run.write_json("report.json", document)
    run.write_json("run.json", {**_origin(work), "seconds": {k: round(s, 3) for k, s in clock.seconds.items()}})
    run.seal()
    run.write("report.html", render_pretrained(document, fit.records, sheet=sheet))
    seconds = {**clock.seconds, "pretrain": fit.seconds}
    warnings = () if photos.split_given else (_UNSPLIT,)
    return PretrainedRun(
        run.path, work.own.title, result.px, photos.counts(), config.pretrain.epochs, errors, seconds, warnings
    )


def _judge(work: _Work, fit: Pretraining) -> dict[str, Error]:
    photos, task = work.photos, work.task
    trivial: dict[str, list[DoubleArray]] = {"mean_colour": [], "quarter": []}
    for row_B in np.array_split(photos.held_N, -(-len(photos.held_N) // 64)):
        for name, mse_B in trivial_errors(photos.pictures.read(row_B)).items():
            trivial[name].append(mse_B)
    trained_N = _spread(photos.train_N, _JUDGED_TRAINING)
    errors = {"model": mean_error(fit.errors(task.held_N), photos.held_groups_N)}
    errors |= {name: mean_error(np.concatenate(parts), photos.held_groups_N) for name, parts in trivial.items()}
    return errors | {"trained": mean_error(fit.errors(trained_N), np.full(len(trained_N), -1))}


def _draw_sheet(work: _Work, fit: Pretraining) -> bytes:
    photos, n = work.photos, work.config.pretrain.sheet
    held_N = _spread(photos.held_N, -(-n // 2))
    row_N = np.concatenate([held_N, _spread(photos.train_N, n - len(held_N))])
    held = [True] * len(held_N) + [False] * (len(row_N) - len(held_N))
    return reconstruction_sheet(photos.pictures.read(row_N), fit.reconstruct(row_N), held_out=held)


def _spread(row_N: IntArray, n: int) -> IntArray:
    """At most `n` of the rows, evenly spread over them."""
    return row_N[np.unique(np.linspace(0, len(row_N) - 1, min(n, len(row_N))).astype(int))] if n else row_N[:0]


def next_command(run: Path, *, px: int) -> str:
    """The command that trains a classifier on the encoder of a run, at the size that it was trained with."""
    return f"photograft train PHOTOS --set {shlex.quote(f'model.backbone=run:{run}')} --set input.px={px}"
