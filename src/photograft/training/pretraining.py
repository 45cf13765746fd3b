"""Pretraining: an autoencoder that learns to give photos back, as a generator of steps and records.

As in `loop`, everything random in a step comes from numbers (seed, epoch, step), so that what goes on from a saved
state gives the same weights, bit for bit, as what was never stopped.

Shape letters: N photos, B photos of a batch, H and W rows and columns of pixels, C colours.
"""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from photograft.config.train import TrainConfig
from photograft.errors import ModelError, TrainingError
from photograft.training.batches import epoch_order, epoch_steps, n_epoch_steps, seed_of
from photograft.training.loop import Step
from photograft.training.optim import (
    build_optimizer,
    copied,
    load_optimizer,
    lr_factor,
    moving_tensors,
    optimizer_tensors,
    peak_lr,
    put,
    set_lr,
)
from photograft.values import DoubleArray, IntArray, PixelArray, Record

if TYPE_CHECKING:
    from photograft.models.decoder import Autoencoder

FIT = "pretrain"
"""The name of the one fit, in records and in seeds."""


class Pictures(Protocol):
    """Where pixels come from: `photograft.data.loaders.PictureStore`."""

    def read(self, row_B: IntArray) -> PixelArray:
        """The pictures of some rows, shape (B, px, px, 3)."""


@dataclass(frozen=True)
class Reconstruction:
    """What pretraining needs; `network` is trained in place.

    `train_N` and `held_N` are rows of `pictures`: those that train, and those that show how well unseen ones are
    reconstructed. Of `config` everything must be settled: optimizer, schedule, rates, epochs, batch size, precision,
    layout, seed. `noise` is the standard deviation of what is added to the colours (0 to 1) that go in, `flip` is as
    `augment.flip`.
    """

    network: Autoencoder
    pictures: Pictures
    train_N: IntArray
    held_N: IntArray
    config: TrainConfig
    noise: float = 0.0
    flip: str = "horizontal"
    device: str = "cpu"

    @property
    def batch_size(self) -> int:
        """Photos of a step."""
        assert isinstance(self.config.batch_size, int)
        return self.config.batch_size

    @property
    def epoch_steps(self) -> int:
        """Steps of one epoch."""
        return n_epoch_steps(len(self.train_N), batch_size=self.batch_size, accumulate=1)


class Pretraining:
    """A fit that can be taken up at any step.

    `run` trains; between what it yields, `state` and `load_state` save and restore all of it. The result is what the
    last step leaves: the rate has come down to nothing by then. `records` are the evaluations so far.
    """

    def __init__(self, task: Reconstruction) -> None:
        assert isinstance(task.config.epochs, int)
        self.task = task
        self.config = task.config
        self.records: list[Record] = []
        self.step = 0
        self.epoch_steps = task.epoch_steps
        self.n_steps = self.epoch_steps * task.config.epochs
        self._layout = torch.channels_last if task.config.channels_last is True else torch.contiguous_format
        self.network = task.network.to(device=task.device, memory_format=self._layout)
        self._moving = moving_tensors(self.network)
        names = [name for name, _ in self.network.named_parameters()]
        halves = [(half, [name for name in names if name.startswith(f"{half}.")]) for half in ("encoder", "decoder")]
        self._optimizer = build_optimizer(self.network, halves, task.config)
        self._loss_sum, self._loss_photos = 0.0, 0
        self._seconds, self._began = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Time that it took so far, also before it was taken up again."""
        return self._seconds + time.monotonic() - self._began

    @property
    def finished(self) -> bool:
        """Whether all steps are made and judged."""
        return bool(self.step == self.n_steps and self.records and self.records[-1].step == self.step)

    def run(self) -> Generator[Step | Record]:
        """Train to the end, from wherever it is.

        Yields:
            A `Step` after every step, a `Record` after every epoch: mean squared errors of colours from 0 to 1.

        Raises:
            TrainingError: the loss or the gradients are no longer finite.
        """
        while not self.finished:
            judged = self.records[-1].step if self.records else 0
            if self.step > judged and self.step % self.epoch_steps == 0:
                yield self._judge()
            else:
                yield self._train_step()
        self.network.eval()

    def errors(self, row_N: IntArray) -> DoubleArray:
        """Mean squared error of each photo's reconstruction, on colours from 0 to 1, shape (N,)."""
        parts = [
            (given - made).square().mean((1, 2, 3)).double().cpu().numpy() for given, made in self._reconstructed(row_N)
        ]
        return np.concatenate([np.empty(0), *parts])

    def reconstruct(self, row_N: IntArray) -> PixelArray:
        """Reconstructions of some photos, shape (N, px, px, 3)."""
        made = [(made * 255).round().to(torch.uint8).cpu() for _, made in self._reconstructed(row_N)]
        return np.ascontiguousarray(torch.cat(made).permute(0, 2, 3, 1).numpy())

    def half(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """The tensors of "encoder" or "decoder" under their own names."""
        tensors = getattr(self.network, name).state_dict()
        return {key: tensor.cpu().contiguous().numpy().copy() for key, tensor in tensors.items()}

    def count_values(self) -> tuple[int, int]:
        """Values that the encoder keeps of a photo, and those that it is given."""
        colour_BCHW = self._colours(self.task.pictures.read(self.task.held_N[:1]))
        with torch.no_grad():
            return self.network.eval().encoder(colour_BCHW).numel(), colour_BCHW.numel()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that its future depends on: copies of tensors, and plain values for JSON."""
        tensors = {f"network.{name}": tensor for name, tensor in copied(self._moving).items()}
        if not self.finished:
            tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizer_tensors(self._optimizer).items()}
        return tensors, {
            "fit": FIT,
            "of": self._fingerprint(),
            "step": self.step,
            "seconds": self.seconds,
            "records": [asdict(record) for record in self.records],
            "loss": [self._loss_sum, self._loss_photos],
        }

    def load_state(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        """Go on where `state` was taken, in a new object for the same task.

        Raises:
            ModelError: the state is of something else.
        """
        if info["of"] != self._fingerprint():
            raise ModelError("the saved state belongs to other photos, settings or another network: begin a new run")
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}}
        for key, tensor in tensors.items():
            prefix, _, name = key.partition(".")
            parts[prefix][name] = tensor
        put(parts["network"], self._moving)
        load_optimizer(self._optimizer, parts["optimizer"])
        self.step, self._seconds, self._began = info["step"], info["seconds"], time.monotonic()
        self.records = [Record(**record) for record in info["records"]]
        self._loss_sum, self._loss_photos = info["loss"]

    def trial_step(self) -> None:
        """Take a step outside `run`, to see what it takes."""
        self._move_weights(self._rows(0, 0), 0)

    # One step

    def _train_step(self) -> Step:
        epoch, number = divmod(self.step, self.epoch_steps)
        row_B = self._rows(epoch, number)
        self._loss_sum += self._move_weights(row_B, self.step) * len(row_B)
        self._loss_photos += len(row_B)
        self.step += 1
        mean = self._loss_sum / self._loss_photos
        return Step(self.step, self.n_steps, self.step / self.epoch_steps, mean, self._lr(self.step - 1))

    def _rows(self, epoch: int, number: int) -> IntArray:
        order_N = epoch_order(len(self.task.train_N), seed=self.config.seed, name=FIT, epoch=epoch)
        (position_B,) = epoch_steps(order_N, batch_size=self.task.batch_size, accumulate=1)[number]
        return self.task.train_N[position_B]

    def _move_weights(self, row_B: IntArray, step: int) -> float:
        set_lr(self._optimizer, self._factor(step))
        self.network.train()
        numbers = (self.config.seed, FIT, *divmod(step, self.epoch_steps))
        pixels_BHWC = _mirrored(self.task.pictures.read(row_B), self.task.flip, seed_of(*numbers, "flip"))
        colour_BCHW = self._colours(pixels_BHWC)
        made_BCHW = self._forward(self._with_noise(colour_BCHW, seed_of(*numbers, "noise")))
        loss = functional.mse_loss(made_BCHW, colour_BCHW)
        self._check_finite(loss.item(), "loss", step)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip or math.inf)
        self._check_finite(norm.item(), "norm of the gradients", step)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return float(loss.item())

    def _forward(self, colour_BCHW: Tensor) -> Tensor:
        kind, is_half = self.task.device.partition(":")[0], self.config.precision == "bf16"
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=is_half):
            made = self.network(colour_BCHW)
        return made.float()

    def _colours(self, pixels_BHWC: PixelArray) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(pixels_BHWC)).to(self.task.device)
        return (pixels.permute(0, 3, 1, 2).float() / 255).contiguous(memory_format=self._layout)

    def _with_noise(self, colour_BCHW: Tensor, seed: int) -> Tensor:
        if not self.task.noise:
            return colour_BCHW
        random = torch.Generator().manual_seed(seed)  # on the CPU, whatever the device
        noise = torch.randn(colour_BCHW.shape, generator=random).to(colour_BCHW.device)
        return (colour_BCHW + self.task.noise * noise).clamp(0, 1).contiguous(memory_format=self._layout)

    def _factor(self, step: int) -> float:
        return lr_factor(self.config, step, n_steps=self.n_steps, epoch_steps=self.epoch_steps)

    def _lr(self, step: int) -> float:
        return peak_lr(self.config) * self._factor(step)

    def _check_finite(self, value: float, what: str, step: int) -> None:
        if math.isfinite(value):
            return
        epoch, lr = step // self.epoch_steps + 1, peak_lr(self.config) / 10
        raise TrainingError(
            f"pretraining diverged: the {what} became {value} in step {step + 1} of {self.n_steps} (epoch {epoch}). "
            f"Try a tenth of the learning rate: pretrain.lr={lr:g}"
        )

    # Judging

    def _judge(self) -> Record:
        held = float(self.errors(self.task.held_N).mean())
        self._check_finite(held, "error of held-out photos", self.step - 1)
        lowest = min((record.val_loss for record in self.records if record.val_loss is not None), default=math.inf)
        record = Record(
            fit=FIT,
            epoch=self.step / self.epoch_steps,
            step=self.step,
            lr=self._lr(self.step - 1),
            train_loss=self._loss_sum / self._loss_photos,
            val_loss=held,
            val_accuracy=None,
            seconds=self.seconds,
            best=held < lowest,
        )
        self.records.append(record)
        self._loss_sum, self._loss_photos = 0.0, 0
        return record

    def _reconstructed(self, row_N: IntArray) -> Iterator[tuple[Tensor, Tensor]]:
        """Colours and their reconstruction, batch by batch."""
        self.network.eval()
        with torch.no_grad():
            for row_B in np.array_split(row_N, -(-len(row_N) // self.task.batch_size)) if len(row_N) else []:
                colour_BCHW = self._colours(self.task.pictures.read(row_B))
                yield colour_BCHW, self._forward(colour_BCHW)

    def _fingerprint(self) -> str:
        shapes = [(name, list(tensor.shape)) for name, tensor in self._moving.items()]
        what = (shapes, self.config.model_dump(mode="json"), self.task.noise, self.task.flip)
        digest = hashlib.sha256(repr(what).encode("utf-8"))
        for row_N in (self.task.train_N, self.task.held_N):
            digest.update(np.ascontiguousarray(row_N, "<i8").tobytes() + b"\n")
        return digest.hexdigest()


@dataclass(frozen=True)
class Speed:
    """How fast the network trains: number type and memory layout that were chosen, seconds per step, and why."""

    precision: str
    channels_last: bool
    step_s: float
    reasons: tuple[str, ...]


def measure_speed(task: Reconstruction, *, has_bf16: bool) -> Speed:
    """Choose what `train.precision` and `train.channels_last` leave open, by the time of a step on this machine."""
    asked = task.config
    layouts = [True, False] if asked.channels_last == "auto" else [asked.channels_last]
    types = ["fp32"] if asked.precision == "auto" else [asked.precision]
    times_s = {(kind, layout): _time_step(task, kind, layout) for kind in types for layout in layouts}
    best = min(times_s, key=times_s.__getitem__)
    reasons = []
    if asked.channels_last == "auto":
        gain = times_s[best[0], not best[1]] / times_s[best]
        reasons.append(f"train.channels_last={str(best[1]).lower()} makes a step {gain:.2f} times as fast: taken")
    if asked.precision == "auto" and has_bf16:
        half = ("bf16", best[1])
        times_s[half] = _time_step(task, *half)
        gain = times_s[best] / times_s[half]
        taken = gain > _WORTHWHILE
        reasons.append(f"train.precision=bf16 makes a step {gain:.2f} times as fast: {'' if taken else 'not '}taken")
        best = half if taken else best
    return Speed(*best, times_s[best], tuple(reasons))


_WORTHWHILE = 1.15
_REPEATS = 2


def _time_step(task: Reconstruction, precision: str, channels_last: bool) -> float:
    """Seconds of the fastest of some steps, after one that warms up; the network is left as it was."""
    config = task.config.model_copy(update={"precision": precision, "channels_last": channels_last})
    trial = Pretraining(replace(task, network=copy.deepcopy(task.network), config=config))
    times_s = []
    for _ in range(1 + _REPEATS):
        began = time.perf_counter()
        trial.trial_step()
        times_s.append(time.perf_counter() - began)
    return min(times_s[1:])


def _mirrored(pixels_BHWC: PixelArray, flip: str, seed: int) -> PixelArray:
    """Half of the pictures mirrored, left to right, upside down, or each of both on its own."""
    random = np.random.default_rng(seed)
    for axis, kinds in ((2, ("horizontal", "both")), (1, ("vertical", "both"))):
        turned_B = random.random(len(pixels_BHWC)) < 0.5
        if flip in kinds:
            pixels_BHWC[turned_B] = np.flip(pixels_BHWC[turned_B], axis)
    return pixels_BHWC
