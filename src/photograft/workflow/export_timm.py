"""Which bundles are networks that timm opens by itself, and what such a network is made of. Knows nothing of torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from photograft.config import load_config
from photograft.contract import Contract
from photograft.errors import MissingExtraError, ModelError
from photograft.models.bundle import Bundle
from photograft.models.bundle_rows import NetworkRow
from photograft.models.catalogue import (
    NETWORK_FILE,
    Backbone,
    PackagedBackbone,
    find_backbone,
    find_packaged,
    find_run_backbone,
)
from photograft.models.export_links import linear_of, log_prior
from photograft.models.export_timm_parts import TimmParts
from photograft.tracking.cache import cache_folder
from photograft.values import DoubleArray

_OTHER = "Or use --to onnx, which takes every bundle of one contract."


def timm_parts(bundle: Bundle, run: Path | None) -> TimmParts:
    """What a timm network that gives the bundle's probabilities is made of.

    Its classifier is the bundle's head, divided by the temperature and with the adjustment to the shares of classes, so
    that the softmax of its logits (of several labels their sigmoid) is what the bundle says.

    Raises:
        MissingExtraError: torch or timm are not installed.
        ModelError: The bundle is more than one network with a linear classifier; says what to set when training.
    """
    for module in ("torch", "timm"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("--to timm", "train")
    row = _require_one_network(bundle)
    backbone = _backbone_of(row, run)
    architecture = backbone.architecture
    packaged = find_packaged(architecture)
    if packaged is None and not architecture.startswith("timm:"):
        raise ModelError(f"--to timm: {architecture} is no network of timm. {_OTHER}")
    if backbone.hidden or backbone.pool != "own":
        what = "hidden layers (model.hidden)" if backbone.hidden else "a pooling of its own (model.pool: average)"
        raise ModelError(f"--to timm: the network has {what}, which timm's classifiers do not have. {_OTHER}")
    weight_DK, bias_K = _classifier(bundle)
    return TimmParts(
        backbone=backbone,
        architecture=_timm_name(packaged, architecture),
        weight_DK=weight_DK,
        bias_K=bias_K,
        labels=bundle.classes,
        preprocessing=_preprocessing(bundle.contract, backbone),
        is_tuned=row.cut != "head",
    )


def _require_one_network(bundle: Bundle) -> NetworkRow:
    info = bundle.info
    if len(info.networks) > 1 or info.joint is not None:
        what = f"{len(info.networks)} networks" if len(info.networks) > 1 else f"{len(info.targets)} factors"
        raise ModelError(
            f"--to timm: {bundle.folder} has {what}, and timm opens one network with one classifier. {_OTHER}"
        )
    (row,) = info.networks
    if wanted := _settings_wanted(bundle, row):
        settings = " ".join(f"--set {setting}" for setting in wanted)
        raise ModelError(
            f"--to timm: {bundle.folder} does more than timm's network with its classifier: "
            f"{'; '.join(wanted.values())}. Train it with {settings}. {_OTHER}"
        )
    return row


def _settings_wanted(bundle: Bundle, row: NetworkRow) -> dict[str, str]:
    """Settings by which a training would give what timm can open, and why each is wanted."""
    info, views = bundle.info, bundle.info.views_of(row.id)
    wanted = {}
    if info.kinds[info.targets[0].name] == "ordinal":
        wanted["model.loss=softmax"] = "it predicts classes in an order, which is no linear classifier"
    if views.flip:
        wanted["input.flip=false"] = "it averages a photo with its mirror image"
    if views.crops != "whole":
        wanted["input.crops=whole"] = "it averages five crops of a photo"
    last = (row.outputs.get("feature_map") or [row.outputs["embedding"]])[0]
    if row.outputs["embedding"] != last:
        wanted["model.embedding=last"] = (
            f"its head stands on {row.outputs['embedding']:,} numbers, of several stages or states of the network, and "
            f"not on the last {last:,} alone"
        )
        if row.cut != "head":
            wanted["train.blend=false"] = "it may average the tuned network with the frozen one"
    return wanted


def _backbone_of(row: NetworkRow, run: Path | None) -> Backbone:
    """The network in torch's form: the run's own weights where it was tuned, else those that it began with."""
    if row.cut != "head":
        if run is None or not (run / NETWORK_FILE).is_file():
            raise ModelError(
                f"--to timm: the network was tuned, and its weights are in the run's folder ({NETWORK_FILE}), not in a "
                f"bundle on its own: give the run. {_OTHER}"
            )
        return find_run_backbone(run, cache_dir=cache_folder(load_config(run / "config.resolved.yaml").cache.dir))
    if run is None:
        backbone = find_backbone(row.source["name"])
    else:
        config = load_config(run / "config.resolved.yaml")
        model, cache_dir = config.model, cache_folder(config.cache.dir)
        backbone = find_backbone(
            model.backbone, weights=model.weights, mean=model.mean, std=model.std, pool=model.pool, cache_dir=cache_dir
        ).with_hidden(tuple(model.hidden))
    if backbone.weights_sha256 != row.source["weights_sha256"]:
        raise ModelError(
            f"--to timm: the weights of {row.source['name']} on this machine are not those of the bundle. {_OTHER}"
        )
    return backbone


def _timm_name(packaged: PackagedBackbone | None, architecture: str) -> str:
    return architecture.partition(":")[2] if packaged is None else packaged.timm_name


def _classifier(bundle: Bundle) -> tuple[DoubleArray, DoubleArray]:
    """Weight (D, K) and bias (K,) whose logits give the bundle's probabilities."""
    target = bundle.info.targets[0]
    ((weight_DM, bias_M),) = linear_of(bundle, target).values()
    if bundle.info.kinds[target.name] == "binary":
        # The softmax of (0, x) is the sigmoid of x.
        weight_DM, bias_M = np.insert(weight_DM, 0, 0, axis=1), np.insert(bias_M, 0, 0)
    prior_K = log_prior(target)
    return weight_DM, bias_M if prior_K is None else bias_M - prior_K


def _preprocessing(contract: Contract, backbone: Backbone) -> dict[str, object]:
    """The contract and the scaling in timm's words."""
    stretched = contract.resize.rule == "stretch"
    return {
        "input_size": [3, contract.px, contract.px],
        "interpolation": contract.resize.interpolation,
        "crop_pct": 1.0 if stretched else contract.crop.px / contract.resize.px,
        "crop_mode": "squash" if stretched else "center",
        "mean": list(backbone.mean),
        "std": list(backbone.std),
    }
