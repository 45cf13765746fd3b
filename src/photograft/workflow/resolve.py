"""Every `auto` replaced by a value and a reason, before and after the photos are known."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from photograft.config import Config
from photograft.errors import ConfigError, MissingExtraError
from photograft.models.catalogue import RUN, is_run_name
from photograft.models.own_names import is_own_name, read_own_name
from photograft.workflow.language import page_language

_PX = {"fast": 224, "good": 320, "best": 320}
_ROBUSTNESS_S = {"fast": 0.0, "good": 15.0, "best": 60.0}
HIDDEN = "layer:hidden"
"""The graft point at which the layers of `model.hidden` train, and nothing before them."""
HEAD_LR = 2.5
"""Learning rate of the head, over that of the network before it."""
_OF_THE_HEAD = {"balance", "effective_beta", "logit_adjustment", "strength", "refit", "on_all", "seed"}
"""Settings of training that act at every graft point; the others belong to fine-tuning."""


def with_whole_paths(config: Config) -> Config:
    """The settings with absolute paths: a run is resumed, and gone on from, in other folders too.

    Of `densenet:FILE.json` the content of the file is taken in: the run does not depend on it any more.
    """
    model, data, split = config.model, config.data, config.split
    model = model.model_copy(update=_whole_network(model.backbone, model.weights))
    data = data.model_copy(update={"edits": _whole(data.edits), "annotations": _whole(data.annotations)})
    split = split.model_copy(update={"file": _whole(split.file)})
    members = {
        name: member.model_copy(update=_whole_network(member.backbone, member.weights))
        for name, member in config.ensemble.members.items()
    }
    ensemble = config.ensemble.model_copy(update={"members": members})
    changed = {"model": model, "data": data, "split": split, "ensemble": ensemble, "track": config.track.absolute()}
    return config.model_copy(update=changed)


def _whole_network(backbone: str | None, weights: Path | str | None) -> dict[str, object]:
    """What of backbone and weights is given, as it is called from everywhere."""
    given: dict[str, object] = {}
    if backbone is not None and is_run_name(backbone):
        given["backbone"] = f"{RUN}:{Path(backbone.removeprefix(f'{RUN}:')).absolute()}"
    elif backbone is not None and is_own_name(backbone):
        given["backbone"] = read_own_name(backbone).name
    if isinstance(weights, Path):
        given["weights"] = _whole(weights)
    return given


def _whole(path: Path | None) -> Path | None:
    """Paths that lead nowhere from here stay as they are: annotations may be named from the folder of photos."""
    return path.absolute() if path is not None and path.exists() else path


def resolve_input(config: Config, *, only_px: int | None = None) -> tuple[Config, dict[str, str]]:
    """Settle what does not depend on the photos: input size, flip, what of the report is
    `auto`.

    Gives the config and reasons by dotted name.

    `only_px` is the one size that the network takes, where it takes no other.
    """
    reasons: dict[str, str] = {}
    px, flip = config.input.px, config.input.flip
    if only_px is not None:
        if px not in ("auto", only_px):
            raise ConfigError(
                f"input.px: {config.model.backbone} takes {only_px} px and nothing else, not {px}; "
                "leave input.px at auto"
            )
        if px == "auto":
            reasons["input.px"] = f"auto: the only size that {config.model.backbone} takes"
        px = only_px
    elif px == "auto":
        px = _PX[config.quality]
        reasons["input.px"] = f"auto: the size of quality {config.quality}"
    if flip == "auto":
        flip = config.quality != "fast"
        reasons["input.flip"] = f"auto: {'two views' if flip else 'one view'} at quality {config.quality}"
    if "HEIF" in config.data.formats:
        _require_heif()
    chosen: dict[str, object] = {"input": config.input.model_copy(update={"px": px, "flip": flip})}
    shown: dict[str, object] = {}
    if config.report.robustness_s == "auto":
        reasons["report.robustness_s"] = f"auto: the seconds of quality {config.quality}"
        shown["robustness_s"] = _ROBUSTNESS_S[config.quality]
    if config.report.language == "auto":
        reasons["report.language"] = "auto: the language of this computer"
        shown["language"] = page_language()
    chosen["report"] = config.report.model_copy(update=shown)
    return config.model_copy(update=chosen), reasons


def resolve_graft(config: Config, *, has_weights: bool = True) -> tuple[Config, dict[str, str]]:
    """Settle where the network is cut, and what of training follows from that alone.

    `has_weights` says that there are pretrained ones; without, everything is trained.
    """
    reasons: dict[str, str] = {}
    graft, train = config.model.graft, config.train
    if graft == "auto":
        graft = "blocks:2" if config.quality == "best" else "head"
        reasons["model.graft"] = f"auto: quality {config.quality}"
        if not has_weights and config.model.weights != "random":
            graft, reasons["model.graft"] = "scratch", "auto: the network has no pretrained weights"
    if graft == "head" and config.model.hidden:
        graft = HIDDEN
        reasons["model.graft"] = "the layers of model.hidden train, and everything before them is frozen"
    config = config.model_copy(update={"model": config.model.model_copy(update={"graft": graft})})
    if not trains_by_steps(config):
        return config, reasons
    epochs = {"scratch": 40, "all": 10, "head": 20, HIDDEN: 20}.get(graft, 4)
    if train.epochs == "auto" and train.evaluate_from > epochs:
        raise ConfigError(
            f"train.evaluate_from: {train.evaluate_from} lies behind the {epochs} epochs that are usual for "
            f"graft point {graft}; set train.epochs too"
        )
    lr = {"adamw": 4e-4, "adam": 4e-4, "sgd": 0.01}[train.optimizer] if train.lr == "auto" else train.lr
    chosen = {
        "epochs": (epochs, f"auto: graft point {graft}"),
        "lr": (lr, f"auto: usual for {train.optimizer}"),
        "weight_decay": (
            {"adamw": 0.05, "adam": 0.0, "sgd": 1e-4}[train.optimizer],
            f"auto: usual for {train.optimizer}",
        ),
        "warmup": (0.25 if train.schedule == "one-cycle" else 0.05, f"auto: schedule {train.schedule}"),
        "batchnorm": ("moved" if graft == "scratch" else "frozen", f"auto: graft point {graft}"),
        "blend": (
            has_weights and graft not in ("all", "scratch", "head"),
            f"auto: graft point {graft}" if has_weights else "auto: no pretrained weights to blend with",
        ),
    }
    settled = {name: value for name, (value, _) in chosen.items() if getattr(train, name) == "auto"}
    reasons |= {f"train.{name}": chosen[name][1] for name in settled}
    if train.head_lr == "auto" and lr != "find":
        settled["head_lr"] = min(HEAD_LR * float(lr), 10.0)
        reasons["train.head_lr"] = f"auto: {HEAD_LR:g} x train.lr"
    return config.model_copy(update={"train": train.model_copy(update=settled)}), reasons


def trains_by_steps(config: Config) -> bool:
    """Whether something is trained by steps, once `model.graft` is settled: all but a head that is solved exactly."""
    return config.model.graft != "head" or config.train.solver == "steps"


def without_effect(config: Config) -> list[str]:
    """Settings of fine-tuning that were changed although the graft point is `head`, which trains nothing by steps."""
    if trains_by_steps(config):
        return []
    usual = Config()
    changed = [f"train.{name}" for name, value in config.train if value != getattr(usual.train, name)]
    changed += [f"augment.{name}" for name, value in config.augment if value != getattr(usual.augment, name)]
    return [name for name in changed if name.removeprefix("train.") not in _OF_THE_HEAD]


def resolve_test(
    config: Config, *, n_photos: int, given_test: bool, threshold: int, fraction: float
) -> tuple[Config, dict[str, str]]:
    """Settle the share of the test part once the number of usable photos is known."""
    if given_test:
        return config, {"split.test": "not used: the test part is given"}
    if config.split.test != "auto":
        return config, {}
    test = fraction if n_photos >= threshold else 0.0
    reason = f"auto: {n_photos:,} photos, {'at least' if test else 'fewer than'} {threshold:,}"
    split = config.split.model_copy(update={"test": test})
    return config.model_copy(update={"split": split}), {"split.test": reason}


def resolve_strength(config: Config, strength: float) -> tuple[Config, dict[str, str]]:
    """Write the chosen penalty into the config."""
    if config.train.strength != "auto":
        return config, {}
    train = config.train.model_copy(update={"strength": strength})
    return config.model_copy(update={"train": train}), {"train.strength": "auto: lowest out-of-fold log loss"}


def _require_heif() -> None:
    if importlib.util.find_spec("pillow_heif") is None:
        raise MissingExtraError("data.formats: HEIF", "heif")
