"""Before fine-tuning: cut the network, settle what is measured on this machine, and say what will train and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from photograft.config import Config
from photograft.errors import ConfigError
from photograft.metrics.links import Truth
from photograft.models.catalogue import Backbone
from photograft.models.device import accelerator_hint
from photograft.models.networks import ensure_front
from photograft.training.inputs import Values
from photograft.training.ranks import ALONE, Ranks
from photograft.values import IntArray, Layer, Summary, Target
from photograft.workflow.narrator import duration

if TYPE_CHECKING:
    from photograft.models.graft import Graft

_MEASURED_PHOTOS = 512
"""Rows of the fit that time and memory are measured on: it reads a few batches of them."""


@dataclass(frozen=True)
class Grafting:
    """A network that is cut and ready to be trained, with every setting settled.

    `backbone` is what was cut. `n_features` are the values that its end gives, on which its head is trained. `blocks`
    are the trainable parameters by block, the head's last, as the fit takes them. `front` is the frozen part as ONNX
    where its output is kept on disk, and `origin` names it exactly. `photo_s` are seconds of training per photo and
    epoch.
    """

    backbone: Backbone
    graft: Graft
    n_features: int
    blocks: Sequence[tuple[str, Sequence[str]]]
    config: Config
    reasons: dict[str, str]
    summary: Summary
    front: Path | None
    origin: dict[str, Any]
    device: str
    photo_s: float
    peak_mb: float

    @property
    def kept(self) -> bool:
        """Whether the frozen part's output is kept on disk."""
        return self.front is not None


def cut_network(
    backbone: Backbone,
    config: Config,
    *,
    targets: tuple[Target, ...],
    px: int,
    cache_dir: Path,
    ranks: Ranks = ALONE,
) -> Grafting:
    """Load the network, cut it at `model.graft`, and settle on this machine what is still `auto`.

    Of several processes the leader measures for all.

    Raises:
        ConfigError: The network has no such graft point, or a setting does not fit it.
        ModelError: The network cannot be cut.
    """
    from photograft.models.backbone import load_embedder, measure_outputs
    from photograft.models.graft import graft

    train, point, kind = config.train, config.model.graft, training_device(config.model.device)
    device = ranks.device(kind)
    assert train.batchnorm != "auto"
    embedder = load_embedder(
        backbone,
        embedding="last",
        px=px,
        scratch=train.seed if point == "scratch" else None,
        seed=train.seed,
        dropout=train.dropout,
    )
    n_features = measure_outputs(embedder.trunk, px=px).last
    cut = graft(embedder, point, px=px, batchnorm=train.batchnorm)
    _require_whole_batches(cut, ranks)
    front = None
    if train.boundary != "off" and cut.front is not None and device == "cpu":
        front = ensure_front(backbone, point, px=px, embedding="last", cache_dir=cache_dir)
    elif train.boundary == "cache":
        why = f"works on the CPU, not on {device}" if cut.front else f"but nothing is frozen at graft point {point}"
        raise ConfigError(f"train.boundary: cache {why}; leave it at auto")
    settled, reasons, photo_s, peak_mb = _measured(
        cut, config, kept=front is not None, targets=targets, n_features=n_features, device=device, ranks=ranks
    )
    settled = settled.model_copy(update={"model": settled.model.model_copy(update={"device": kind})})
    return Grafting(
        backbone=backbone,
        graft=cut,
        n_features=n_features,
        blocks=_blocks(cut),
        config=settled,
        reasons=reasons,
        summary=summarise(cut, settled, n_features=n_features, n_outputs=count_outputs(targets)),
        front=front,
        origin={"network": backbone.network_id(px=px, embedding="last"), "point": point},
        device=device,
        photo_s=photo_s,
        peak_mb=peak_mb,
    )


def _require_whole_batches(cut: Graft, ranks: Ranks) -> None:
    """Refuse statistics of BatchNorm that move where no process sees a whole batch."""
    if ranks.size > 1 and cut.moves_statistics:
        raise ConfigError(
            f"train.batchnorm: its statistics move at graft point {cut.point} with these settings, and none of "
            f"{ranks.size} processes sees a whole batch: set train.batchnorm=frozen, and model.hidden without "
            "batchnorm, or train in one process, without torchrun"
        )


def plan_epochs(grafting: Grafting, *, n_photos: float) -> tuple[Grafting, float]:
    """Fewer epochs where all of them would take longer than `train.time_limit`; gives the seconds too.

    `n_photos` are seen in an epoch of all fits together.
    """
    train = grafting.config.train
    assert train.epochs != "auto"
    epoch_s = grafting.photo_s * n_photos
    epochs = train.epochs
    if train.time_limit is not None and epochs * epoch_s > 60 * train.time_limit:
        epochs = max(1, int(60 * train.time_limit / epoch_s))
        reason = f"{train.epochs} would take longer than train.time_limit, {train.time_limit:g} minutes"
        reasons, fewer = {**grafting.reasons, "train.epochs": reason}, {"epochs": epochs}
        if train.evaluate_from > epochs:
            fewer["evaluate_from"] = epochs
            reasons["train.evaluate_from"] = "the last epoch that train.time_limit leaves"
        config = grafting.config.model_copy(update={"train": train.model_copy(update=fewer)})
        grafting = replace(grafting, config=config, reasons=reasons)
    return grafting, epochs * epoch_s


def training_device(asked: str) -> str:
    """Where training runs: a GPU that works, else the CPU."""
    from photograft.features.engine_torch import device_works

    device = accelerator_hint() if asked == "auto" else asked
    if device_works(device):
        return device
    if asked == "auto":
        return "cpu"
    raise ConfigError(f"model.device: {asked} was asked for, but torch finds no such device; use cpu or auto")


def count_outputs(targets: Sequence[Target]) -> int:
    """Numbers that the heads of all targets give per photo."""
    return sum(target.n_outputs for target in targets)


def summarise(cut: Graft, config: Config, *, n_features: int, n_outputs: int) -> Summary:
    """What trains, layer by layer, with the head on `n_features` values at the end."""
    from photograft.training.optim import learning_rates

    train = config.train
    if train.lr == "find":
        train = train.model_copy(update={"lr": "auto"})
    rates = learning_rates([name for name, _ in _blocks(cut)], train)
    size = (n_features + 1) * n_outputs
    head = Layer("head", "Linear", (n_outputs,), size, 0, frozen=False, lr=rates["head"])
    return cut.summary([head], lr=rates)


def describe_grafting(grafting: Grafting) -> list[str]:
    """What trains, in a sentence."""
    summary, train = grafting.summary, grafting.config.train
    share = f"{summary.trainable:,} of {summary.parameters:,} parameters ({summary.trainable_fraction:.0%})"
    behind = f"everything from {summary.cut} on" if summary.cut else "everything"
    kept = "kept on disk" if grafting.kept else "run in every epoch" if summary.cut else "none"
    batchnorm = summary.batchnorm
    if batchnorm == "frozen" and grafting.graft.trains_hidden_batchnorm:
        batchnorm = "frozen, save in hidden layers"
    return [
        f"Trains {share}: {behind}; BatchNorm {batchnorm}; frozen part {kept}",
        f"{train.epochs} epochs in batches of {train.batch_size}, {train.optimizer}, learning rate {train.lr} "
        f"({train.schedule}), {train.precision}; about {duration(1000 * grafting.photo_s)} per 1,000 photos and epoch",
    ]


def _blocks(cut: Graft) -> list[tuple[str, list[str]]]:
    """Parameters by block under the names that they have in the network with its head."""
    blocks = [(name, [f"tail.{each}" for each in names]) for name, names in cut.blocks.items()]
    return [*blocks, ("head", ["head.weight", "head.bias"])]


class _Noise:
    """Inputs of random numbers in the shapes of the real ones: time and memory do not depend on what photos show."""

    n_plain = 1

    def __init__(self, shapes: Sequence[tuple[int, ...]] | None, *, px: int) -> None:
        rng = np.random.default_rng(0)
        if shapes is None:
            self._values: list[npt.NDArray[Any]] = [rng.integers(0, 256, (1, px, px, 3), dtype=np.uint8)]
        else:
            self._values = [rng.normal(size=(1, *shape)).astype(np.float16) for shape in shapes]

    def plain(self, row_B: IntArray, *, view: int) -> Values:
        return tuple(np.repeat(value, len(row_B), axis=0) for value in self._values)

    def changed(self, row_B: IntArray, *, epoch: int) -> Values:
        return self.plain(row_B, view=0)


def _measured(
    cut: Graft,
    config: Config,
    *,
    kept: bool,
    targets: tuple[Target, ...],
    n_features: int,
    device: str,
    ranks: Ranks,
) -> tuple[Config, dict[str, str], float, float]:
    """Settings with what was measured, why, seconds per photo and epoch, and megabytes."""
    from photograft.models.head import GraftedNetwork
    from photograft.training.loop import Task
    from photograft.training.measure import Measured, measure
    from photograft.training.reading import Labelled

    zero_D, one_D = np.zeros(n_features, np.float32), np.ones(n_features, np.float32)
    with_front = cut.front is not None and not kept
    network = GraftedNetwork(
        cut,
        n_outputs=count_outputs(targets),
        mean_D=zero_D,
        std_D=one_D,
        head=None,
        dropout=0.0,
        with_front=with_front,
    )
    row_N = np.arange(_MEASURED_PHOTOS)
    shapes = [value.shape for value in cut.boundary] if kept else None
    task = Task(
        network=network,
        blocks=_blocks(cut),
        inputs=_Noise(shapes, px=cut.px),
        train=Labelled(row_N, tuple(_made_up(target, row_N) for target in targets)),
        targets=targets,
        config=config.train,
        augment=config.augment,
        device=device,
        pairs=cut.trains_hidden_batchnorm,
    )
    told = ranks.from_leader(lambda: asdict(measure(task, n_processes=ranks.size)))
    found = Measured(**{**told, "reasons": tuple(told["reasons"])})
    train = config.train
    values = {"precision": found.precision, "channels_last": found.channels_last, "batch_size": found.batch_size}
    settled = {name: value for name, value in values.items() if getattr(train, name) == "auto"}
    reason = f"measured when the run began: {'; '.join(found.reasons)}" if found.reasons else "auto"
    config = config.model_copy(update={"train": train.model_copy(update=settled)})
    reasons = {f"train.{name}": reason for name in settled}
    return config, reasons, found.photo_s, found.peak_bytes / 1e6


def _made_up(target: Target, row_N: IntArray) -> Truth:
    """Labels that nobody gave: time and memory do not depend on them."""
    n = len(target.classes)
    return row_N[:, None] % n == np.arange(n) if target.kind == "sigmoid" else row_N % n
