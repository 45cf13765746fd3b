"""Fine-tuning: what `train` does between a member's linear heads and the bundle, at every graft point but `head`.

Where photos are held out for validation, a first fit on the train part is judged on them, which gives the number of
epochs and the temperature; a second one on train and validation photos is shipped. Where there is no test part, one fit
per fold judges every photo, and one on all of them is shipped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from photograft.config import to_yaml
from photograft.errors import ConfigError
from photograft.evaluation.blend import Blend, blend
from photograft.features.matrix import row_blocks
from photograft.reporting.training import BoundaryFacts, Training
from photograft.tracking.run_folder import RunFolder
from photograft.training.epochs import EpochChoice
from photograft.training.inputs import Inputs
from photograft.training.judging import split_outputs
from photograft.training.linear import LinearHead
from photograft.values import BoolArray, DoubleArray, FloatArray, IntArray
from photograft.workflow.clock import Clock
from photograft.workflow.composition import judging_folds
from photograft.workflow.fits import FitRunner
from photograft.workflow.grafting import Grafting, count_outputs, summarise
from photograft.workflow.members import MAIN, Learnt, Member, balance_of, member_folder, refit_of
from photograft.workflow.narrator import Narrator
from photograft.workflow.render import CONTACT_SHEET
from photograft.workflow.resolve import HEAD_LR
from photograft.workflow.ship import Model
from photograft.workflow.tuned import State, Tuning, export_states
from photograft.workflow.views import draw_sheet, fill_boundary, pixel_inputs, reserve_boundary, views_of

if TYPE_CHECKING:
    from photograft.training.loop import Fit, Task
    from photograft.training.reading import Labelled

_SMALLEST_STD = 1e-4


def reserve(
    run: RunFolder, member: Member, grafting: Grafting, learnt: Learnt, *, cache_dir: Path, narrator: Narrator
) -> Tuning:
    """Room for the frozen part's outputs, where they are kept; the choice is written into the settings.

    Raises:
        ConfigError: it was asked for, and does not fit.
    """
    views = views_of(learnt.manifest, member.config, member.contract, member.views)
    only = member.name == MAIN
    folder = run if only else member_folder(run, member.name)
    prefix = "" if only else f"{member.name}, "
    store, reason = None, ""
    if grafting.front is not None:
        try:
            store = reserve_boundary(views, grafting.front, grafting.origin, cache_dir)
        except ConfigError as error:
            if member.config.train.boundary != "auto":
                raise
            reason = f"auto: {error}"
            narrator.say(f"The frozen part runs in every epoch, which takes longer. {error}")
            grafting = replace(grafting, front=None)
    if member.config.train.boundary == "auto" and grafting.graft.front is not None:
        boundary = {"boundary": "off" if store is None else "cache"}
        reasons = {**member.reasons, "train.boundary": reason or "auto: it fits into train.boundary_gb"}
        train = member.config.train.model_copy(update=boundary)
        member = replace(member, config=member.config.model_copy(update={"train": train}), reasons=reasons)
    return Tuning(member, grafting, views, store, folder, prefix)


def fine_tune(
    tuning: Tuning,
    learnt: Learnt,
    runner: FitRunner,
    *,
    goes_on: bool,
    cache_dir: Path,
    clock: Clock,
) -> Member:
    """Train what follows the graft point, from the member's linear heads; gives it with the tuned model instead.

    `goes_on` says that the run was begun before.
    """
    member, views, store, narrator = tuning.member, tuning.views, tuning.store, runner.narrator
    ranks = runner.ranks
    if ranks.leads and (sheet := draw_sheet(views)) is not None:
        tuning.folder.write(CONTACT_SHEET, sheet)
    with ExitStack() as stack:
        boundary = None
        inputs: Inputs
        with clock.stage("frozen part" if store else "read photos"):
            if store is None or tuning.grafting.front is None:
                inputs = stack.enter_context(pixel_inputs(views, cache_dir, narrator, ranks=ranks))
            else:
                with ranks.in_turn():
                    store.refresh()
                    inputs, boundary = fill_boundary(views, store, tuning.grafting.front, narrator)
        with clock.stage("fine-tune"):
            limit_min = None if goes_on else member.config.train.time_limit
            return FineTuning(tuning, learnt, inputs, runner, limit_min=limit_min).complete(
                cache_dir=cache_dir, boundary=boundary
            )


@dataclass(frozen=True)
class Verdict:
    """How photos were judged by heads and networks that had not seen them: logits (N, M) of either, per target.

    `epoch` is the best one, whose logits `tuned` holds; `honest` are those of the epoch that the other folds chose.
    `states` are those of the folds, where they are shipped.
    """

    rows: IntArray
    linear: tuple[FloatArray, ...]
    tuned: tuple[FloatArray, ...]
    epoch: int
    honest: tuple[FloatArray, ...]
    states: tuple[State, ...] = ()


class FineTuning:
    """The fits of one member, which holds the linear heads that they begin with.

    `limit_min` ends them after so many minutes, however slow the machine turns out; a run that goes on has none, since
    it would end elsewhere than one that was never stopped.
    """

    def __init__(
        self, tuning: Tuning, learnt: Learnt, inputs: Inputs, runner: FitRunner, *, limit_min: float | None = None
    ) -> None:
        self.tuning, self.learnt, self.inputs, self.runner = tuning, learnt, inputs, runner
        self.member, self.grafting = tuning.member, tuning.grafting
        self._limit_min = limit_min
        self._pretrained = {n: t.detach().clone() for n, t in self.grafting.graft.tail.state_dict().items()}
        embedding_ND = self.member.table.embedding_ND
        self._last = slice(embedding_ND.shape[1] - self.member.model.outputs.last, None)
        # Nobody knows yet what the network will give; or, with the statistics of a batch, it moves by more than photos
        # differ, and features that hardly varied would be divided by next to nothing.
        if self._starts_anew or self.member.config.train.batchnorm == "moved":
            n_features = self.grafting.n_features
            self._mean_D, self._std_D = np.zeros(n_features, np.float32), np.ones(n_features, np.float32)
        else:
            self._mean_D, self._std_D = _moments(embedding_ND, learnt.rows, self._last)
        self._began = time.monotonic()
        self._to_come = self._photos_to_come()

    def complete(self, *, cache_dir: Path, boundary: BoundaryFacts | None) -> Member:
        """Run all fits; gives the member with the tuned model in the place of the linear one.

        Of several processes the leader makes the model of what all have trained; for the others it stays as it is.
        """
        if self.member.config.train.lr == "find":
            self._find_lr()
        verdict = self._judge()
        member, augment, learnt = self.member, self.member.config.augment, self.learnt
        shares = self._shares(verdict, np.ones(len(verdict.rows), bool))
        states = verdict.states or (self._final(verdict.epoch),)
        every, on_every = learnt.splits.rows("train", "val", "test"), None
        if self._refit == "all" and len(every) > len(learnt.rows):
            on_every = self._tuned("all", every, stop_after_epoch=verdict.epoch)
        if not self.runner.ranks.leads:
            return member
        model = self._export(states, shares, cache_dir)
        on_all = None if on_every is None else self._export((on_every,), shares, cache_dir)
        return replace(
            member,
            backbone=self.grafting.backbone,
            model=model,
            rows=verdict.rows,
            logits=_blended(shares, verdict),
            honest_logits=self._honest(verdict),
            exact_features=False,
            on_all=on_all,
            training=Training(
                summary=self.grafting.summary,
                records=[each for name, found in self.runner.records.items() if self._owns(name) for each in found],
                epoch=verdict.epoch,
                seconds=sum(seconds for name, seconds in self.runner.seconds.items() if self._owns(name)),
                augment=augment if augment.views or augment.mixup or augment.cutmix else None,
                boundary=boundary,
                share=None if shares is None else float(np.mean([each.share for each in shares])),
            ),
        )

    @property
    def _starts_anew(self) -> bool:
        """Whether the head stands on values that the table of features does not hold."""
        model = self.member.config.model
        return model.graft == "scratch" or bool(model.hidden) or not self.grafting.backbone.has_weights

    def _owns(self, fit: str) -> bool:
        return fit.startswith(self.tuning.prefix)

    # -- which photos judge --------------------------------------------------------------------------------

    @property
    def _refit(self) -> str:
        return refit_of(self.member.config)

    @property
    def _holds_out(self) -> bool:
        """Whether validation photos judge the fits; else folds do."""
        splits = self.learnt.splits
        return bool(len(splits.rows("test")) and len(splits.rows("val"))) and self._refit != "folds"

    def _judge(self) -> Verdict:
        member, learnt, splits = self.member, self.learnt, self.learnt.splits
        if self._holds_out:
            train_rows, val_rows = splits.rows("train"), splits.rows("val")
            fit = self._fit("train", train_rows, val_rows=val_rows)
            embedding_ND = member.table.embedding_ND[val_rows]
            linear = tuple(head.logits(embedding_ND) for head in member.linear_on(learnt, train_rows))
            best = fit.best or fit.records[-1]
            tuned = self._split(fit.logits(val_rows))
            return Verdict(val_rows, linear, tuned, max(1, round(best.epoch)), tuned)
        fold_N = splits.fold_N[learnt.rows]
        judged: list[dict[int, FloatArray]] = []
        states = []
        for fold in range(splits.n_folds):
            held, name = fold_N == fold, f"fold {fold + 1}"
            fit = self._fit(name, learnt.rows[~held], val_rows=learnt.rows[held], steers=False)
            judged.append(_by_epoch(fit) or {1: fit.logits(learnt.rows[held])})
            if self._refit == "folds":
                states.append(self._state(fit, learnt.rows[~held]))
        linear = tuple(each.honest_logits_NK for each in member.fits)
        last_only = self._refit == "folds"  # their states are those of the last epoch
        choice = EpochChoice(judged, fold_N, self._labelled(learnt.rows).truth, member.targets, last_only=last_only)
        honest_NM, (tuned_NM, epoch) = choice.honest(), choice.of_all()
        return Verdict(learnt.rows, linear, self._split(tuned_NM), epoch, self._split(honest_NM), tuple(states))

    def _split(self, logits_NM: FloatArray) -> tuple[FloatArray, ...]:
        """The outputs of each target."""
        return tuple(split_outputs(logits_NM, self.member.targets))

    def _shares(self, verdict: Verdict, chosen: BoolArray) -> tuple[Blend, ...] | None:
        """How linear head and tuned network are averaged for each target, from the chosen ones of the judged photos."""
        if not self.member.config.train.blend:
            return None
        rows = verdict.rows[chosen]
        return tuple(
            blend(linear_NM[chosen], tuned_NM[chosen], self.learnt.truth(target, rows), kind=target.kind)
            for target, linear_NM, tuned_NM in zip(self.member.targets, verdict.linear, verdict.tuned, strict=True)
        )

    def _honest(self, verdict: Verdict) -> tuple[FloatArray, ...]:
        """Logits whose shares were chosen on the other folds: the ones to report."""
        verdict = replace(verdict, tuned=verdict.honest)
        honest = tuple(each.copy() for each in verdict.tuned)
        fold_N = judging_folds(self.learnt.splits, verdict.rows)
        for fold in np.unique(fold_N):
            held = fold_N == fold
            blended = _blended(self._shares(verdict, ~held), verdict)
            for honest_NM, blended_NM in zip(honest, blended, strict=True):
                honest_NM[held] = blended_NM[held]
        return honest

    # -- fits ----------------------------------------------------------------------------------------------

    def _final(self, epoch: int) -> State:
        """The model to test."""
        splits = self.learnt.splits
        if self._refit != "none":
            return self._tuned("refit", self.learnt.rows, stop_after_epoch=epoch)
        val_rows = splits.rows("val") if self._holds_out else None
        return self._tuned("train", splits.rows("train"), val_rows=val_rows)  # one that is complete is not repeated

    def _tuned(
        self, name: str, rows: IntArray, *, val_rows: IntArray | None = None, stop_after_epoch: int | None = None
    ) -> State:
        return self._state(self._fit(name, rows, val_rows=val_rows, stop_after_epoch=stop_after_epoch), rows)

    def _state(self, fit: Fit, rows: IntArray) -> State:
        tensors = {key: tensor.numpy().copy() for key, tensor in self.grafting.graft.state().items()}
        weights, biases = map(self._split, fit.network.linear_head())
        parts = zip(weights, biases, strict=True)
        return State(tensors, tuple(LinearHead(*part) for part in parts), rows)

    def _find_lr(self) -> None:
        """Try rising rates on the train part; what is found is written down, so that a resumed run has it too."""
        from photograft.training.lr_finder import find_lr

        found = find_lr(self._task("train", self.learnt.splits.rows("train")))
        settled = {"lr": found.lr}
        if self.member.config.train.head_lr == "auto":
            settled["head_lr"] = HEAD_LR * found.lr
        self.runner.narrator.say(f"Learning rate {found.lr:.2g}: {found.reason}")
        config = self.member.config
        config = config.model_copy(update={"train": config.train.model_copy(update=settled)})
        reasons = {**self.member.reasons, "train.lr": f"found: {found.reason}"}
        self.member = replace(self.member, config=config, reasons=reasons)
        n_features, n_outputs = self.grafting.n_features, count_outputs(self.member.targets)
        summary = summarise(self.grafting.graft, config, n_features=n_features, n_outputs=n_outputs)
        self.grafting = replace(self.grafting, config=config, summary=summary)
        self.tuning.folder.write("config.resolved.yaml", to_yaml(config, reasons=reasons))

    def _fit(
        self,
        name: str,
        rows: IntArray,
        *,
        val_rows: IntArray | None = None,
        steers: bool = True,
        stop_after_epoch: int | None = None,
    ) -> Fit:
        task = self._task(name, rows, val_rows=val_rows, stop_after_epoch=stop_after_epoch)
        task = replace(task, val_steers=steers)
        return self.runner.complete(replace(task, deadline=self._deadline(len(rows))))

    def _task(
        self, name: str, rows: IntArray, *, val_rows: IntArray | None = None, stop_after_epoch: int | None = None
    ) -> Task:
        """A fit from the pretrained weights on."""
        from photograft.models.head import GraftedNetwork
        from photograft.training.loop import Task

        member, graft = self.member, self.grafting.graft
        config = member.config
        graft.tail.load_state_dict(self._pretrained)
        from_zero = self._starts_anew or config.train.start == "zero"
        start = () if from_zero else member.linear_on(self.learnt, rows, columns=self._last)
        network = GraftedNetwork(
            graft,
            n_outputs=count_outputs(member.targets),
            mean_D=self._mean_D,
            std_D=self._std_D,
            head=_side_by_side(start) if start else None,
            dropout=config.train.dropout,
            with_front=not self.grafting.kept,
        )
        return Task(
            network=network,
            blocks=self.grafting.blocks,
            inputs=self.inputs,
            train=self._labelled(rows),
            val=None if val_rows is None else self._labelled(val_rows),
            targets=member.targets,
            balances=tuple(balance_of(config, target) for target in member.targets),
            config=config.train,
            augment=config.augment,
            name=f"{self.tuning.prefix}{name}",
            device=self.grafting.device,
            stop_after_epoch=stop_after_epoch,
            pairs=graft.trains_hidden_batchnorm,
            ranks=self.runner.ranks,
        )

    def _labelled(self, rows: IntArray) -> Labelled:
        from photograft.training.reading import Labelled

        return Labelled(rows, tuple(self.learnt.truth(target, rows) for target in self.member.targets))

    # -- time ----------------------------------------------------------------------------------------------

    def _photos_to_come(self) -> int:
        """Photos per epoch of all fits together."""
        splits, rows, refit = self.learnt.splits, self.learnt.rows, self._refit
        n_train, n_every = len(splits.rows("train")), len(splits.rows("train", "val", "test"))
        judging = n_train if self._holds_out else (splits.n_folds - 1) * len(rows)
        if refit == "folds":
            return judging
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

    def _export(self, states: Sequence[State], shares: tuple[Blend, ...] | None, cache_dir: Path) -> Model:
        tuning = replace(self.tuning, member=self.member, grafting=self.grafting)
        return export_states(tuning, self.learnt, states, shares, cache_dir=cache_dir)


def _by_epoch(fit: Fit) -> dict[int, FloatArray]:
    """The held photos' logits after each epoch in which they were judged."""
    records = [record for record in fit.records if record.val_loss is not None]
    pairs = zip(records, fit.judged, strict=True)
    return {int(record.epoch): logits_NM for record, logits_NM in pairs if record.epoch == int(record.epoch)}


def _blended(shares: tuple[Blend, ...] | None, verdict: Verdict) -> tuple[FloatArray, ...]:
    if shares is None:
        return verdict.tuned
    return tuple(each.logits(*pair) for each, *pair in zip(shares, verdict.linear, verdict.tuned, strict=True))


def _side_by_side(heads: Sequence[LinearHead]) -> tuple[FloatArray, FloatArray]:
    """Weights (D, M) and biases (M,) of the heads of all targets."""
    return np.concatenate([h.weight_DK for h in heads], axis=1), np.concatenate([h.bias_K for h in heads])


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
