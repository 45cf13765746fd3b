"""Fine-tuning: what `train` does between the linear head and the bundle, at every graft point but `head`.

Where photos are held out for validation, a first fit on the train part is judged on them, which gives the number of
epochs and the temperature; a second one on train and validation photos is shipped. Where there is no test part, one fit
per fold judges every photo, and one on all of them is shipped.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save as save_tensors

from photograft.config import to_yaml
from photograft.errors import ConfigError
from photograft.evaluation.blend import Blend, blend
from photograft.features.boundary_store import BoundaryStore
from photograft.features.matrix import row_blocks
from photograft.models.catalogue import NETWORK_FILE, find_backbone
from photograft.models.device import return_memory
from photograft.models.networks import ensure_stack, read_outputs, stack_id
from photograft.reporting.training import BoundaryFacts, Training
from photograft.tracking.run_folder import RunFolder
from photograft.training.inputs import Inputs
from photograft.training.linear import LinearHead
from photograft.values import DoubleArray, FloatArray, IntArray, Target
from photograft.workflow.clock import Clock
from photograft.workflow.finish import Judged, Trained, judging_folds
from photograft.workflow.fits import FitRunner
from photograft.workflow.grafting import Grafting, summarise
from photograft.workflow.narrator import Narrator
from photograft.workflow.render import CONTACT_SHEET
from photograft.workflow.resolve import HEAD_LR
from photograft.workflow.resume import begin, has_begun
from photograft.workflow.ship import Model
from photograft.workflow.views import Views, draw_sheet, fill_boundary, pixel_inputs, reserve_boundary, views_of

if TYPE_CHECKING:
    from photograft.training.loop import Fit, Task

_SMALLEST_STD = 1e-4


def fine_tune(
    run: RunFolder,
    grafting: Grafting,
    trained: Trained,
    *,
    root: Path,
    cache_dir: Path,
    clock: Clock,
    narrator: Narrator,
) -> Trained:
    """Train what follows the graft point, from the linear head of `trained`; gives it with the tuned model instead.

    A run that was begun goes on where it was stopped. `root` is what the photos were given as.
    """
    views = views_of(trained.manifest, trained.config, trained.contract, trained.views)
    goes_on = has_begun(run)
    with nullcontext() if goes_on else run.removed_on_failure():
        grafting, trained, store = _reserve(views, grafting, trained, cache_dir, narrator)
        if not goes_on:
            begin(run, trained, root)
    if (sheet := draw_sheet(views)) is not None:
        run.write(CONTACT_SHEET, sheet)
    runner = FitRunner(run, narrator, trained.config.train.checkpoint_steps)
    with ExitStack() as stack:
        boundary = None
        inputs: Inputs
        with clock.stage("frozen part" if store else "read photos"):
            if store is None or grafting.front is None:
                inputs = stack.enter_context(pixel_inputs(views, cache_dir, narrator))
            else:
                inputs, boundary = fill_boundary(views, store, grafting.front, narrator)
        with clock.stage("fine-tune"):
            limit_min = None if goes_on else trained.config.train.time_limit
            tuning = FineTuning(run, grafting, trained, inputs, runner, limit_min=limit_min)
            return tuning.complete(cache_dir=cache_dir, boundary=boundary)


def _reserve(
    views: Views, grafting: Grafting, trained: Trained, cache_dir: Path, narrator: Narrator
) -> tuple[Grafting, Trained, BoundaryStore | None]:
    """Room for the frozen part's outputs, where they are kept; the choice is written into the settings."""
    store, reason = None, ""
    if grafting.front is not None:
        try:
            store = reserve_boundary(views, grafting.front, grafting.origin, cache_dir)
        except ConfigError as error:
            if trained.config.train.boundary != "auto":
                raise
            reason = f"auto: {error}"
            narrator.say(f"The frozen part runs in every epoch, which takes longer. {error}")
            grafting = replace(grafting, front=None)
    train = trained.config.train.model_copy(update={"boundary": "off" if store is None else "cache"})
    reasons = {**trained.reasons, "train.boundary": reason or "auto: it fits into train.boundary_gb"}
    if trained.config.train.boundary != "auto" or grafting.graft.front is None:
        return grafting, trained, store
    return grafting, replace(trained, config=trained.config.model_copy(update={"train": train}), reasons=reasons), store


@dataclass(frozen=True)
class Verdict:
    """How photos were judged by heads and networks that had not seen them: logits (N, K) of either.

    `epoch` is the best one, None where no validation photos chose it.
    """

    rows: IntArray
    linear_NK: FloatArray
    tuned_NK: FloatArray
    epoch: int | None


class FineTuning:
    """The fits of one run. `trained` holds the linear head that they begin with.

    `limit_min` ends them after so many minutes, however slow the machine turns out; a run that goes on has none, since
    it would end elsewhere than one that was never stopped.
    """

    def __init__(
        self,
        run: RunFolder,
        grafting: Grafting,
        trained: Trained,
        inputs: Inputs,
        runner: FitRunner,
        *,
        limit_min: float | None = None,
    ) -> None:
        self.run, self.grafting, self.trained, self.inputs, self.runner = run, grafting, trained, inputs, runner
        self._limit_min = limit_min
        self._pretrained = {n: t.detach().clone() for n, t in grafting.graft.tail.state_dict().items()}
        embedding_ND = trained.table.embedding_ND
        self._last = slice(embedding_ND.shape[1] - trained.model.outputs.last, None)
        if trained.config.model.graft == "scratch":  # nobody knows yet what the network will give
            n_features = grafting.n_features
            self._mean_D, self._std_D = np.zeros(n_features, np.float32), np.ones(n_features, np.float32)
        else:
            self._mean_D, self._std_D = _moments(embedding_ND, trained.rows, self._last)
        self._began = time.monotonic()
        self._to_come = self._photos_to_come()

    def complete(self, *, cache_dir: Path, boundary: BoundaryFacts | None) -> Trained:
        """Run all fits; gives `trained` with the tuned model in the place of the linear one."""
        if self.trained.config.train.lr == "find":
            self._find_lr()
        verdict = self._judge()
        trained, augment = self.trained, self.trained.config.augment
        shares = self._shares(verdict, np.ones(len(verdict.rows), bool))
        model = self._export(self._final(verdict.epoch), shares, cache_dir)
        on_all = None
        every = trained.splits.rows("train", "val", "test")
        if trained.config.train.refit == "all" and len(every) > len(trained.rows):
            on_all = self._export(self._tuned("all", every, stop_after_epoch=verdict.epoch), shares, cache_dir)
        logits_NK = _blended(shares, verdict.linear_NK, verdict.tuned_NK)
        return replace(
            trained,
            backbone=self.grafting.backbone,
            model=model,
            judged=Judged("val" if self._holds_out else "oof", verdict.rows, logits_NK, self._honest(verdict)),
            exact_features=False,
            on_all=on_all,
            training=Training(
                summary=self.grafting.summary,
                records=[record for records in self.runner.records.values() for record in records],
                epoch=verdict.epoch or self._n_epochs,
                seconds=sum(self.runner.seconds.values()),
                augment=augment if augment.views or augment.mixup or augment.cutmix else None,
                boundary=boundary,
                share=None if shares is None else shares.share,
            ),
        )

    # -- which photos judge --------------------------------------------------------------------------------

    @property
    def _holds_out(self) -> bool:
        """Whether validation photos judge the fits; else folds do."""
        splits = self.trained.splits
        return bool(len(splits.rows("test")) and len(splits.rows("val")))

    @property
    def _n_epochs(self) -> int:
        epochs = self.trained.config.train.epochs
        assert epochs != "auto"
        return epochs

    def _judge(self) -> Verdict:
        trained, splits = self.trained, self.trained.splits
        if self._holds_out:
            train_rows, val_rows = splits.rows("train"), splits.rows("val")
            fit = self._fit("train", train_rows, val_rows=val_rows)
            linear_NK = trained.linear_on(train_rows).logits(trained.table.embedding_ND[val_rows])
            best = fit.best or fit.records[-1]
            return Verdict(val_rows, linear_NK, fit.logits(val_rows), max(1, round(best.epoch)))
        fold_N = splits.fold_N[trained.rows]
        tuned_NK = np.empty_like(trained.fit.honest_logits_NK)
        for fold in range(splits.n_folds):
            held = fold_N == fold
            tuned_NK[held] = self._fit(f"fold {fold + 1}", trained.rows[~held]).logits(trained.rows[held])
        return Verdict(trained.rows, trained.fit.honest_logits_NK, tuned_NK, None)

    def _shares(self, verdict: Verdict, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Blend | None:
        """How linear head and tuned network are averaged, from the chosen ones of the judged photos."""
        if not self.trained.config.train.blend:
            return None
        label_N = self.trained.label_N[verdict.rows]
        return blend(verdict.linear_NK[chosen], verdict.tuned_NK[chosen], label_N[chosen])

    def _honest(self, verdict: Verdict) -> FloatArray:
        """Logits whose shares were chosen on the other folds: the ones to report."""
        honest_NK = verdict.tuned_NK.copy()
        fold_N = judging_folds(self.trained.splits, verdict.rows)
        for fold in np.unique(fold_N):
            held = fold_N == fold
            shares = self._shares(verdict, ~held)
            honest_NK[held] = _blended(shares, verdict.linear_NK[held], verdict.tuned_NK[held])
        return honest_NK

    # -- fits ----------------------------------------------------------------------------------------------

    def _final(self, epoch: int | None) -> _Tuned:
        """The model to test."""
        splits = self.trained.splits
        if self.trained.config.train.refit != "none":
            return self._tuned("refit", self.trained.rows, stop_after_epoch=epoch)
        val_rows = splits.rows("val") if self._holds_out else None
        return self._tuned("train", splits.rows("train"), val_rows=val_rows)  # one that is complete is not repeated

    def _tuned(
        self, name: str, rows: IntArray, *, val_rows: IntArray | None = None, stop_after_epoch: int | None = None
    ) -> _Tuned:
        fit = self._fit(name, rows, val_rows=val_rows, stop_after_epoch=stop_after_epoch)
        tensors = {key: tensor.numpy() for key, tensor in self.grafting.graft.state().items()}
        weight_DK, bias_K = fit.network.linear_head()
        return _Tuned(tensors, LinearHead(weight_DK, bias_K), rows)

    def _find_lr(self) -> None:
        """Try rising rates on the train part; what is found is written down, so that a resumed run has it too."""
        from photograft.training.lr_finder import find_lr

        found = find_lr(self._task("train", self.trained.splits.rows("train")))
        settled = {"lr": found.lr}
        if self.trained.config.train.head_lr == "auto":
            settled["head_lr"] = HEAD_LR * found.lr
        self.runner.narrator.say(f"Learning rate {found.lr:.2g}: {found.reason}")
        config = self.trained.config
        config = config.model_copy(update={"train": config.train.model_copy(update=settled)})
        reasons = {**self.trained.reasons, "train.lr": f"found: {found.reason}"}
        self.trained = replace(self.trained, config=config, reasons=reasons)
        n_features, n_classes = self.grafting.n_features, len(self.trained.manifest.usable.classes)
        summary = summarise(self.grafting.graft, config, n_features=n_features, n_classes=n_classes)
        self.grafting = replace(self.grafting, config=config, summary=summary)
        self.run.write("config.resolved.yaml", to_yaml(config, reasons=reasons))

    def _fit(
        self, name: str, rows: IntArray, *, val_rows: IntArray | None = None, stop_after_epoch: int | None = None
    ) -> Fit:
        task = self._task(name, rows, val_rows=val_rows, stop_after_epoch=stop_after_epoch)
        return self.runner.complete(replace(task, deadline=self._deadline(len(rows))))

    def _task(
        self, name: str, rows: IntArray, *, val_rows: IntArray | None = None, stop_after_epoch: int | None = None
    ) -> Task:
        """A fit from the pretrained weights on."""
        from photograft.models.head import GraftedNetwork
        from photograft.training.loop import Task
        from photograft.training.reading import Labelled

        config, graft, label_N = self.trained.config, self.grafting.graft, self.trained.label_N
        graft.tail.load_state_dict(self._pretrained)
        from_zero = config.model.graft == "scratch" or config.train.start == "zero"
        start = None if from_zero else self.trained.linear_on(rows, columns=self._last)
        network = GraftedNetwork(
            graft,
            n_outputs=len(self.trained.manifest.usable.classes),
            mean_D=self._mean_D,
            std_D=self._std_D,
            head=None if start is None else (start.weight_DK, start.bias_K),
            dropout=config.train.dropout,
            with_front=not self.grafting.kept,
        )
        return Task(
            network=network,
            blocks=self.grafting.blocks,
            inputs=self.inputs,
            train=Labelled(rows, (label_N[rows],)),
            val=None if val_rows is None else Labelled(val_rows, (label_N[val_rows],)),
            targets=(Target("label", self.trained.manifest.usable.classes),),
            config=config.train,
            augment=config.augment,
            name=name,
            device=self.grafting.device,
            stop_after_epoch=stop_after_epoch,
        )

    # -- time ----------------------------------------------------------------------------------------------

    def _photos_to_come(self) -> int:
        """Photos per epoch of all fits together."""
        splits, rows, refit = self.trained.splits, self.trained.rows, self.trained.config.train.refit
        n_train, n_every = len(splits.rows("train")), len(splits.rows("train", "val", "test"))
        judging = n_train if self._holds_out else (splits.n_folds - 1) * len(rows)
        if refit == "none":
            return judging if self._holds_out else judging + n_train
        return judging + len(rows) + (n_every if refit == "all" and n_every > len(rows) else 0)

    def _deadline(self, n_photos: int) -> float | None:
        """When a fit must end so that those behind it have their share of `train.time_limit`."""
        if self._limit_min is None:
            return None
        now = time.monotonic()
        left_s = max(self._began + 60 * self._limit_min - now, 0.0)
        share = n_photos / max(self._to_come, n_photos)
        self._to_come -= n_photos
        return now + share * left_s

    # -- shipping ------------------------------------------------------------------------------------------

    def _export(self, tuned: _Tuned, shares: Blend | None, cache_dir: Path) -> Model:
        """Write the weights into the run folder, and export them as a network."""
        trained, graft = self.trained, self.grafting.graft
        self.run.write(NETWORK_FILE, save_tensors(tuned.tensors))
        return_memory()  # the export takes 1.3 GB in a process of its own
        px, kept = trained.contract.px, trained.config.model.embedding
        backbone = find_backbone(f"run:{self.run.path}", cache_dir=cache_dir)
        frozen = None if shares is None else trained.backbone
        network = ensure_stack(frozen, [backbone], px=px, embedding=kept, cache_dir=cache_dir)
        return Model(
            network=network,
            network_id=stack_id(frozen, [backbone], px=px, embedding=kept),
            weights_sha256=backbone.weights_sha256,
            outputs=read_outputs(network),
            head=tuned.head if shares is None else _joined(shares, trained.linear_on(tuned.rows), tuned.head),
            cut=graft.point,
            batchnorm=graft.batchnorm,
        )


@dataclass(frozen=True)
class _Tuned:
    """Weights of the whole network by the names of its library, the head on its embedding, and what it saw."""

    tensors: dict[str, np.ndarray[Any, Any]]
    head: LinearHead
    rows: IntArray


def _blended(shares: Blend | None, linear_NK: FloatArray, tuned_NK: FloatArray) -> FloatArray:
    return tuned_NK if shares is None else shares.logits(linear_NK, tuned_NK)


def _joined(shares: Blend, linear: LinearHead, tuned: LinearHead) -> LinearHead:
    """One head on both embeddings, that of the frozen network first."""
    weight_DK = np.concatenate([shares.linear * linear.weight_DK, shares.tuned * tuned.weight_DK])
    bias_K = shares.linear * linear.bias_K + shares.tuned * tuned.bias_K
    return LinearHead(weight_DK.astype(np.float32), bias_K.astype(np.float32))


def _moments(features_ND: FloatArray, rows: IntArray, columns: slice) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of some columns over some rows, in blocks: the table may not fit into memory."""
    total_D: DoubleArray | float = 0.0
    square_D: DoubleArray | float = 0.0
    for _, block_BD in row_blocks(features_ND, rows):
        block_BD = block_BD[:, columns].astype(np.float64)
        total_D = total_D + block_BD.sum(axis=0)
        square_D = square_D + (block_BD**2).sum(axis=0)
    mean_D = np.asarray(total_D) / len(rows)
    variance_D = np.asarray(square_D) / len(rows) - mean_D**2
    std_D = np.sqrt(np.maximum(variance_D, _SMALLEST_STD**2))
    return mean_D.astype(np.float32), std_D.astype(np.float32)
