"""Before fine-tuning: cut the network, settle what is measured on this machine, and say what will train and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photograft.config import Config
from photograft.errors import ConfigError
from photograft.models.catalogue import Backbone
from photograft.models.device import accelerator_hint
from photograft.models.networks import ensure_front
from photograft.values import Layer, Summary
from photograft.workflow.narrator import duration

if TYPE_CHECKING:
    from photograft.models.graft import Graft


@dataclass(frozen=True)
class Grafting:
    """A network that is cut and ready to be trained, with every setting settled.

    `blocks` are the trainable parameters by block, the head's last, as the fit takes them. `front` is the frozen part
    as ONNX where its output is kept on disk, and `origin` names it exactly. `photo_s` are seconds of training per photo
    and epoch.
    """

    graft: Graft
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
    backbone: Backbone, config: Config, *, n_classes: int, n_features: int, px: int, cache_dir: Path
) -> Grafting:
    """Load the network, cut it at `model.graft`, and settle on this machine what is still `auto`.

    `n_features` are the values that the end of the network gives, on which its head is trained.

    Raises:
        ConfigError: The network has no such graft point, or a setting does not fit it.
        ModelError: The network cannot be cut.
    """
    from photograft.models.backbone import load_embedder
    from photograft.models.graft import graft

    train, point, device = config.train, config.model.graft, _device(config.model.device)
    assert train.batchnorm != "auto"
    embedder = load_embedder(backbone, embedding="last", px=px, scratch=train.seed if point == "scratch" else None)
    cut = graft(embedder, point, px=px, batchnorm=train.batchnorm)
    front = None
    if train.boundary != "off" and cut.front is not None and device == "cpu":
        front = ensure_front(backbone, point, px=px, embedding="last", cache_dir=cache_dir)
    elif train.boundary == "cache":
        why = f"works on the CPU, not on {device}" if cut.front else f"but nothing is frozen at graft point {point}"
        raise ConfigError(f"train.boundary: cache {why}; leave it at auto")
    blocks = _blocks(cut)
    settled, reasons, photo_s, peak_mb = _measured(
        cut, blocks, config, kept=front is not None, n_classes=n_classes, device=device
    )
    return Grafting(
        graft=cut,
        blocks=blocks,
        config=settled,
        reasons=reasons,
        summary=_summary(cut, settled, n_features, n_classes),
        front=front,
        origin={"network": backbone.network_id(px=px, embedding="last"), "point": point},
        device=device,
        photo_s=photo_s,
        peak_mb=peak_mb,
    )


def plan_epochs(grafting: Grafting, *, n_photos: int, n_fold_fits: int) -> tuple[Grafting, float]:
    """Fewer epochs where all of them would take longer than `train.time_limit`; gives the seconds too.

    Every photo is in the fit that judges and in the one that is shipped; with folds, in all of them but one.
    """
    train = grafting.config.train
    assert train.epochs != "auto"
    passes = (n_fold_fits - 1 if n_fold_fits else 0.8) + (train.refit != "none")
    epoch_s = grafting.photo_s * n_photos * passes
    epochs = train.epochs
    if train.time_limit is not None and epochs * epoch_s > 60 * train.time_limit:
        epochs = max(1, int(60 * train.time_limit / epoch_s))
        reason = f"{train.epochs} would take longer than train.time_limit, {train.time_limit:g} minutes"
        config = grafting.config.model_copy(update={"train": train.model_copy(update={"epochs": epochs})})
        grafting = replace(grafting, config=config, reasons={**grafting.reasons, "train.epochs": reason})
    return grafting, epochs * epoch_s


def _device(asked: str) -> str:
    """Where training runs: a GPU that works, else the CPU."""
    from photograft.features.engine_torch import device_works

    device = accelerator_hint() if asked == "auto" else asked
    if device_works(device):
        return device
    if asked == "auto":
        return "cpu"
    raise ConfigError(f"model.device: {asked} was asked for, but torch finds no such device; use cpu or auto")


def describe_grafting(grafting: Grafting) -> list[str]:
    """What trains, in a sentence."""
    summary, train = grafting.summary, grafting.config.train
    share = f"{summary.trainable:,} of {summary.parameters:,} parameters ({summary.trainable_fraction:.0%})"
    behind = f"everything from {summary.cut} on" if summary.cut else "everything"
    kept = "kept on disk" if grafting.kept else "run in every epoch" if summary.cut else "none"
    return [
        f"Trains {share}: {behind}; BatchNorm {summary.batchnorm}; frozen part {kept}",
        f"{train.epochs} epochs in batches of {train.batch_size}, {train.optimizer}, learning rate {train.lr} "
        f"({train.schedule}), {train.precision}; about {duration(1000 * grafting.photo_s)} per 1,000 photos and epoch",
    ]


def _blocks(cut: Graft) -> list[tuple[str, list[str]]]:
    """Parameters by block under the names that they have in the network with its head."""
    blocks = [(name, [f"tail.{each}" for each in names]) for name, names in cut.blocks.items()]
    return [*blocks, ("head", ["head.weight", "head.bias"])]


def _summary(cut: Graft, config: Config, n_features: int, n_classes: int) -> Summary:
    from photograft.training.optim import learning_rates

    train = config.train
    if train.lr == "find":
        train = train.model_copy(update={"lr": "auto"})
    rates = learning_rates([name for name, _ in _blocks(cut)], train)
    size = (n_features + 1) * n_classes
    head = Layer("head", "Linear", (n_classes,), size, 0, frozen=False, lr=rates["head"])
    return cut.summary([head], lr=rates)


def _measured(cut: Graft, blocks: Any, config: Config, *, kept: bool, n_classes: int, device: str) -> Any:
    settled = {"precision": "fp32", "channels_last": False, "batch_size": 32}
    return config.model_copy(update={"train": config.train.model_copy(update=settled)}), {}, 0.01, 1500.0
