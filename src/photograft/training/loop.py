"""Fine-tuning: a generator that yields after every step and every evaluation; the caller saves, logs, draws, stops.

Everything random in a step comes from numbers (seed, name of the fit, epoch, step), so that a fit that goes on from a
saved state gives the same weights, bit for bit, as one that was never stopped.

Shape letters: N photos, B photos of a batch, K classes of all targets, M outputs of their heads.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from photograft.config.augment import AugmentConfig
from photograft.config.train import Balance, TrainConfig
from photograft.errors import ModelError, TrainingError
from photograft.training.batches import seed_of
from photograft.training.inputs import Inputs, Values
from photograft.training.judging import judge
from photograft.training.losses import batch_loss, weights_of
from photograft.training.optim import (
    Blocks,
    Plateau,
    build_optimizer,
    copied,
    load_optimizer,
    lr_factor,
    move_average,
    moving_tensors,
    optimizer_tensors,
    peak_lr,
    put,
    set_lr,
)
from photograft.training.ranks import ALONE, Ranks
from photograft.training.reading import Batch, Labelled, Reader
from photograft.values import FloatArray, IntArray, Record, Target

__all__ = ["Fit", "Labelled", "Step", "Task"]


@dataclass(frozen=True)
class Task:
    """What one fit needs. Settings that are still `auto` take what their documentation names, on this machine's CPU.

    `network` gives logits (B, M) for values of `inputs`, target after target; it is trained in place. The loss is the
    sum over the targets. `val` chooses the best state, and steers `plateau` and early stopping; without `val_steers`
    it is judged alone, so that all folds together can choose. `balances` are those of the targets, by default
    `train.balance` for each. `stop_after_epoch` ends a fit early on the schedule of the whole one; `deadline`, a time
    of `time.monotonic`, at the first evaluation after it. `pairs` says that no batch may hold a single photo.
    `ranks` are the processes that share the fit; the weights are the same in all of them after every step.
    """

    network: nn.Module
    blocks: Blocks
    inputs: Inputs
    train: Labelled
    targets: tuple[Target, ...]
    config: TrainConfig
    augment: AugmentConfig
    val: Labelled | None = None
    val_steers: bool = True
    balances: tuple[Balance, ...] = ()
    name: str = "train"
    device: str = "cpu"
    stop_after_epoch: int | None = None
    deadline: float | None = None
    pairs: bool = False
    ranks: Ranks = ALONE

    @property
    def n_epochs(self) -> int:
        """Epochs of the schedule."""
        return 8 if self.config.epochs == "auto" else self.config.epochs

    @property
    def settled_balances(self) -> tuple[Balance, ...]:
        """One for each target."""
        return self.balances or (self.config.balance,) * len(self.targets)


@dataclass(frozen=True)
class Step:
    """Where a fit is: `step` of `n_steps` done, `epoch` with its fraction, mean loss since the last evaluation."""

    step: int
    n_steps: int
    epoch: float
    loss: float
    lr: float


class Fit:
    """A fit that can be taken up at any step.

    `run` trains; between what it yields, `state` and `load_state` save and restore all of it. When it has ended the
    network holds the result: the weights of lowest calibrated validation loss, without validation photos the last ones.
    `records` are the evaluations so far, `best` the one whose weights are kept, `ended` says why it ended. `judged` are
    the validation photos' logits of every evaluation of them, where these photos do not steer, and `latest_NM` those of
    the last evaluation in any case.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.config = task.config
        self.records: list[Record] = []
        self.judged: list[FloatArray] = []
        self.latest_NM: FloatArray | None = None
        self.best: Record | None = None
        self.ended = ""
        self.step = 0
        self.reader = Reader(
            task.inputs,
            task.train,
            name=task.name,
            targets=task.targets,
            balances=task.settled_balances,
            config=task.config,
            augment=task.augment,
            pairs=task.pairs,
            ranks=task.ranks,
        )
        self.epoch_steps = self.reader.epoch_steps
        self.n_steps = self.epoch_steps * task.n_epochs
        self.last_step = self.epoch_steps * min(task.n_epochs, task.stop_after_epoch or task.n_epochs)
        layout = torch.channels_last if task.config.channels_last is True else torch.contiguous_format
        self.network = task.network.to(device=task.device, memory_format=layout)
        self._moving = moving_tensors(self.network)
        self._ranks = task.ranks
        self._ranks.require_equal(self._fingerprint(), f"what fit {task.name!r} trains, or on which photos,")
        self._parallel = self._ranks.parallel(self.network, task.device)
        self._optimizer = build_optimizer(self.network, task.blocks, task.config)
        self._parameters = [p for p in self.network.parameters() if p.requires_grad]
        self._average = copied(self._moving) if task.config.ema else None
        self._best: dict[str, Tensor] | None = None
        self._plateau = Plateau(gamma=task.config.gamma, patience=task.config.step_epochs)
        self._scaler = torch.amp.GradScaler(task.device.partition(":")[0], enabled=task.config.precision == "fp16")
        self._weights = tuple(
            torch.from_numpy(weights_of(*each, beta=task.config.effective_beta)).to(task.device)
            for each in zip(task.targets, task.train.truth, task.settled_balances, strict=True)
        )
        self._loss_sum, self._loss_photos = 0.0, 0
        self._evaluated = 0
        self._best_loss: float | None = None
        self._lowest: tuple[float, float] | None = None
        self._finished = False
        self._began: float | None = None
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """Time that the fit took so far, also before it was taken up again."""
        return self._seconds + (0.0 if self._began is None else time.monotonic() - self._began)

    def run(self) -> Generator[Step | Record]:
        """Train to the end, from wherever the fit is.

        Yields:
            A `Step` after every optimizer step, a `Record` after every evaluation.

        Raises:
            TrainingError: the loss or the gradients are no longer finite. The weights are those before the step, but
                statistics of BatchNorm may not be: go on from what was saved before.
        """
        if self._finished:
            return
        self._began = time.monotonic()
        with closing(self.reader.steps(self.step, self.last_step)) as batches:
            while not self.ended:
                yield self._evaluate() if self._evaluation_is_due() else self._train_step(next(batches))
        put(self._result(), self._moving)
        self.network.eval()
        self._parallel = self.network  # the next fit has a group of its own for what both train
        self._finished = True
        self._seconds, self._began = self.seconds, None

    def logits(self, row_N: IntArray) -> FloatArray:
        """Logits of the best weights so far for any photos, in fp32, averaged over the plain views, shape (N, M).

        Those of the targets stand one after the other: `photograft.training.judging.split_outputs`.
        """
        with self._holding(self._result()):
            return self._predict(row_N)

    @contextmanager
    def evaluated(self) -> Iterator[nn.Module]:
        """The network with the weights that the last evaluation judged, for as long as the block takes."""
        with self._holding(self._average or self._moving):
            yield self.network

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that the fit's future depends on: copies of tensors, and plain values for JSON."""
        tensors = {f"network.{name}": tensor for name, tensor in copied(self._moving).items()}
        if not self._finished:
            tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(self._optimizer).items()}
            for prefix, kept in (("average", self._average), ("best", self._best)):
                tensors |= {f"{prefix}.{name}": tensor for name, tensor in copied(kept or {}).items()}
        tensors |= {f"judged.{number}": torch.from_numpy(each.copy()) for number, each in enumerate(self.judged)}
        info = {
            "fit": self.task.name,
            "of": self._fingerprint(),
            "step": self.step,
            "evaluated": self._evaluated,
            "finished": self._finished,
            "ended": self.ended,
            "seconds": self.seconds,
            "records": [asdict(record) for record in self.records],
            "best": None if self.best is None else self.records.index(self.best),
            "best_loss": self._best_loss,
            "lowest": self._lowest,
            "loss": [self._loss_sum, self._loss_photos],
            "plateau": self._plateau.state(),
            "scaler": self._scaler.state_dict(),
        }
        return tensors, info

    def load_state(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        """Go on where `state` was taken, in a new object for the same task.

        Raises:
            ModelError: the state is of another fit.
        """
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}, "average": {}, "best": {}, "judged": {}}
        for key, tensor in tensors.items():
            prefix, _, name = key.partition(".")
            parts.setdefault(prefix, {})[name] = tensor
        if info["of"] != self._fingerprint():
            raise ModelError(
                f"the saved state of fit {info['fit']!r} belongs to other photos, settings or another network: "
                "begin a new run"
            )
        put(parts["network"], self._moving)
        load_optimizer(self._optimizer, parts["optimizer"])
        if parts["average"] and self._average is not None:
            put(parts["average"], self._average)
        if parts["best"]:
            self._best = copied(self._moving)
            put(parts["best"], self._best)
        self.judged = [parts["judged"][str(number)].numpy().copy() for number in range(len(parts["judged"]))]
        self.step, self._evaluated = info["step"], info["evaluated"]
        self._finished, self.ended, self._seconds = info["finished"], info["ended"], info["seconds"]
        self.records = [Record(**record) for record in info["records"]]
        self.best = None if info["best"] is None else self.records[info["best"]]
        self._best_loss = info["best_loss"]
        self._lowest = None if info["lowest"] is None else (info["lowest"][0], info["lowest"][1])
        self._loss_sum, self._loss_photos = info["loss"]
        self._plateau.load(info["plateau"])
        if info["scaler"]:
            self._scaler.load_state_dict(info["scaler"])

    def trial_step(self, batches: Sequence[Batch], step: int, *, lr: float | None = None) -> float:
        """Take a step outside `run`, to try something out: its loss. `lr` stands for `train.lr` in it."""
        return self._move_weights(batches, step, 1.0 if lr is None else lr / peak_lr(self.config))

    def _to_device(self, values: Values) -> list[Tensor]:
        tensors = [torch.from_numpy(value).to(self.task.device) for value in values]
        if self.config.channels_last is not True:
            return tensors
        maps = [tensor.ndim == 4 and tensor.is_floating_point() for tensor in tensors]
        return [
            tensor.contiguous(memory_format=torch.channels_last) if is_map else tensor
            for tensor, is_map in zip(tensors, maps, strict=True)
        ]

    # One step

    def _train_step(self, batches: Sequence[Batch]) -> Step:
        factor = self._factor(self.step)
        n_photos = sum(batch.n_photos for batch in batches)
        self._loss_sum += self._move_weights(batches, self.step, factor) * n_photos
        self._loss_photos += n_photos
        self.step += 1
        if self._average is not None:
            move_average(self._average, self._moving, decay=self.config.ema, step=self.step)
        mean = self._loss_sum / self._loss_photos
        return Step(self.step, self.n_steps, self.step / self.epoch_steps, mean, peak_lr(self.config) * factor)

    def _factor(self, step: int) -> float:
        return lr_factor(
            self.config, step, n_steps=self.n_steps, epoch_steps=self.epoch_steps, plateau=self._plateau.factor
        )

    def _move_weights(self, batches: Sequence[Batch], step: int, factor: float) -> float:
        set_lr(self._optimizer, factor)
        self._set_training()
        n_photos = sum(batch.n_photos for batch in batches)
        loss = 0.0
        with torch.random.fork_rng(devices=self._cuda_devices()):
            torch.manual_seed(self._step_seed(step))
            for number, batch in enumerate(batches, 1):
                with self._ranks.gathering(self._parallel, last=number == len(batches)):
                    part = self._loss(batch) / n_photos
                    # Gradients are exchanged as their mean, and those of a batch are a sum.
                    self._scaler.scale(part * self._ranks.size).backward()
                loss += part.item()
        loss = self._ranks.total(loss)
        self._check_finite(loss, "loss", step)
        self._scaler.unscale_(self._optimizer)
        norm = nn.utils.clip_grad_norm_(self._parameters, self.config.clip or math.inf)
        if not self._scaler.is_enabled():  # the scaler itself leaves steps out whose gradients overflow
            self._check_finite(norm.item(), "norm of the gradients", step)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        return loss

    def _step_seed(self, step: int) -> int:
        """Of dropout: no two processes leave out the same features."""
        own = (self._ranks.rank,) if self._ranks.size > 1 else ()
        return seed_of(self.config.seed, self.task.name, *divmod(step, self.epoch_steps), "torch", *own)

    def _loss(self, batch: Batch) -> Tensor:
        number_type = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.config.precision)
        kind = self.task.device.partition(":")[0]
        with torch.autocast(kind, dtype=number_type, enabled=number_type is not None):
            logits_BM = self._parallel(*self._to_device(batch.values))
        share_BK = torch.from_numpy(batch.share_BK).to(self.task.device)
        loss = batch_loss(logits_BM.float(), share_BK, self.task.targets, self._weights)
        return loss if batch.counts else 0.0 * loss

    def _set_training(self) -> None:
        self.network.train()
        if self.config.batchnorm != "moved":
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def _check_finite(self, value: float, what: str, step: int) -> None:
        if math.isfinite(value):
            return
        self._optimizer.zero_grad(set_to_none=True)
        raise TrainingError(
            f"fine-tuning ({self.task.name}) diverged: the {what} became {value} in step {step + 1} of {self.n_steps} "
            f"(epoch {step // self.epoch_steps + 1}). The last checkpoint before it is kept. "
            f"Try a tenth of the learning rate: train.lr={peak_lr(self.config) / 10:g}"
        )

    def _cuda_devices(self) -> list[str]:
        return [self.task.device] if self.task.device.startswith("cuda") else []

    # Evaluation

    def _evaluation_is_due(self) -> bool:
        if self.step == self._evaluated:
            return False
        if self.step % self.epoch_steps == 0:
            return True
        every = self.config.evaluate_steps
        return bool(self.task.val is not None and self._counts() and every and self.step % every == 0)

    def _counts(self) -> bool:
        return (self.step - 1) // self.epoch_steps + 1 >= self.config.evaluate_from

    def _evaluate(self) -> Record:
        epoch = self.step / self.epoch_steps
        train_loss = self._loss_sum / self._loss_photos
        val_loss = val_accuracy = calibrated = None
        if self.task.val is not None and self._counts():
            val_loss, val_accuracy, calibrated = self._ranks.of_leader(self._judge(self.task.val))
        steers = self.task.val is not None and self.task.val_steers
        best = steers and self._keep_if_best(calibrated, val_accuracy)
        lr = peak_lr(self.config) * self._factor(self.step - 1)
        watched = calibrated if steers else train_loss
        if watched is not None:
            if self._lowest is None or watched < self._lowest[0]:
                self._lowest = (watched, epoch)
            if self.step % self.epoch_steps == 0:
                self._plateau.see(watched)
        record = Record(
            self.task.name, epoch, self.step, lr, train_loss, val_loss, val_accuracy, round(self.seconds, 3), best
        )
        self.records.append(record)
        self.best = record if best else self.best
        self._evaluated = self.step
        self._loss_sum, self._loss_photos = 0.0, 0
        self.ended = self._reason_to_end(epoch)
        return record

    def _judge(self, val: Labelled) -> tuple[float, float, float]:
        """Validation loss, accuracy, and the loss at the temperatures that fit best.

        The last one chooses: what is shipped is calibrated, and a network in training is too sure long before it is
        more often wrong.
        """
        with self._holding(self._average or self._moving):
            logits_NM = self._predict(val.row_N)
        loss = 0.0 if np.isfinite(logits_NM).all() else math.nan
        self._check_finite(loss, "validation loss", self.step - 1)
        self.latest_NM = logits_NM
        if not self.task.val_steers:
            self.judged.append(logits_NM)
        return judge(logits_NM, val.truth, self.task.targets)

    def _keep_if_best(self, loss: float | None, accuracy: float | None) -> bool:
        if loss is None or accuracy is None or accuracy < self.config.best_from:
            return False
        if self._best_loss is not None and loss >= self._best_loss:
            return False
        self._best, self._best_loss = copied(self._average or self._moving), loss
        return True

    def _reason_to_end(self, epoch: float) -> str:
        if self.step >= self.last_step:
            return "epochs"
        patience, lowest = self.config.early_stopping, self._lowest
        if (
            self.task.val is not None
            and self.task.val_steers
            and patience
            and lowest is not None
            and epoch - lowest[1] >= patience
        ):
            return "early stopping"
        if self.task.deadline is not None:
            late = self._ranks.leads and time.monotonic() >= self.task.deadline
            return "time limit" if self._ranks.highest(int(late)) else ""
        return ""

    def _result(self) -> dict[str, Tensor]:
        return self._moving if self._finished else self._best or self._average or self._moving

    @contextmanager
    def _holding(self, tensors: dict[str, Tensor]) -> Iterator[None]:
        """The network with other weights for a while."""
        if tensors is self._moving:
            yield
            return
        own = copied(self._moving)
        put(tensors, self._moving)
        try:
            yield
        finally:
            put(own, self._moving)

    def _predict(self, row_N: IntArray) -> FloatArray:
        self.network.eval()
        n_outputs = sum(target.n_outputs for target in self.task.targets)
        logits_NM = np.zeros((len(row_N), n_outputs), dtype=np.float32)
        own_B = self._ranks.share(np.arange(len(row_N)))
        with torch.no_grad(), closing(self.reader.plain(row_N[own_B])) as batches:
            for number, values in enumerate(batches):
                start = number // self.reader.n_plain * self.reader.batch_size
                block_BM = self.network(*self._to_device(values)).float().cpu().numpy()
                logits_NM[own_B[start : start + len(block_BM)]] += block_BM / np.float32(self.reader.n_plain)
        return self._ranks.added(logits_NM)

    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for array in (self.task.train.row_N, *self.task.train.truth):
            kind = bool if array.dtype == bool else "<i8"
            digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        shapes = [(name, tuple(tensor.shape)) for name, tensor in self._moving.items()]
        numbers = (self.config.seed, self.n_steps, self.epoch_steps, self.config.accumulate, self.config.optimizer)
        kinds = [(target.name, target.kind, len(target.classes)) for target in self.task.targets]
        plain = (self.task.name, *numbers, bool(self.config.ema), shapes, kinds, self.task.settled_balances)
        digest.update(repr(plain).encode("utf-8"))
        return digest.hexdigest()
