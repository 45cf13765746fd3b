"""A bundle as a folder that timm opens by itself: `timm.create_model("local-dir:FOLDER", pretrained=True)`.

The folder has the files that timm itself writes for the hub: config.json and model.safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from photograft.errors import ModelError
from photograft.models.backbone import load_embedder
from photograft.models.export_timm_parts import TimmParts
from photograft.values import FloatArray, PixelArray


def write_timm(parts: TimmParts, folder: Path) -> None:
    """Write config.json and model.safetensors.

    Raises:
        ModelError: The head stands on more than the network's last values, or timm has no linear classifier there.
    """
    px = parts.preprocessing["input_size"][1]
    embedder = load_embedder(parts.backbone, embedding="last", px=px)
    network = timm.create_model(parts.architecture.partition(".")[0], pretrained=False, num_classes=len(parts.labels))
    head, classifier = _classifier(network, parts)
    tensors = {name: value for name, value in embedder.trunk.network.state_dict().items() if not _within(name, head)}
    tensors[f"{head}.weight"] = torch.from_numpy(parts.weight_DK.T.astype(np.float32))
    tensors[f"{head}.bias"] = torch.from_numpy(parts.bias_K.astype(np.float32))
    if classifier.bias is None or set(tensors) != set(network.state_dict()):
        raise ModelError(f"--to timm: {parts.architecture} has another form than photograft's network. Use --to onnx.")
    save_file(
        {name: value.contiguous().clone() for name, value in tensors.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    (folder / "config.json").write_text(
        json.dumps(_config(network, head, parts), ensure_ascii=False, indent=2), "utf-8"
    )


def open_timm(folder: Path, *, several: bool) -> Callable[[PixelArray], FloatArray]:
    """The written network as timm opens it: pixels (N, px, px, 3) to probabilities (N, K), of `several` labels or one.

    Mean and standard deviation are those of its config.json.
    """
    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    config = timm.data.resolve_model_data_config(network)
    mean, std = (torch.tensor(config[name]).view(1, 3, 1, 1) for name in ("mean", "std"))

    def run(pixels_NHWC: PixelArray) -> FloatArray:
        with torch.no_grad():
            x = torch.from_numpy(np.array(pixels_NHWC)).permute(0, 3, 1, 2).float() / 255
            logits = network((x - mean) / std)
            probabilities = logits.sigmoid() if several else logits.softmax(dim=1)
            return np.asarray(probabilities.numpy(), np.float32)

    return run


def _classifier(network: nn.Module, parts: TimmParts) -> tuple[str, nn.Linear]:
    """The classifier of a network of timm and its name; it must take what the bundle's head takes."""
    classifier = network.get_classifier()
    if not isinstance(classifier, nn.Linear):
        raise ModelError(f"--to timm: the classifier of {parts.architecture} is not one linear layer. Use --to onnx.")
    width, taken = classifier.in_features, len(parts.weight_DK)
    if taken != width:
        blend = " --set train.blend=false" if parts.is_tuned else ""
        raise ModelError(
            f"--to timm: the head stands on {taken:,} numbers (several stages, or several states of the network), and "
            f"timm's classifier takes the {width:,} of the last stage: train with --set model.embedding=last{blend}. "
            "Or use --to onnx, which takes every bundle of one contract."
        )
    return next(name for name, module in network.named_modules() if module is classifier), classifier


def _within(name: str, module: str) -> bool:
    return name.startswith(f"{module}.")


def _config(network: nn.Module, head: str, parts: TimmParts) -> dict[str, Any]:
    """As timm writes it (timm.models.save_config_for_hf)."""
    own = dict(network.pretrained_cfg)
    kept = {name: own[name] for name in ("first_conv", "fixed_input_size") if own.get(name) is not None}
    return {
        "architecture": parts.architecture.partition(".")[0],
        "num_classes": len(parts.labels),
        "num_features": network.num_features,
        "label_names": list(parts.labels),
        "pretrained_cfg": {
            **kept,
            **parts.preprocessing,
            "num_classes": len(parts.labels),
            "classifier": head,
            "license": parts.backbone.licence,
        },
    }
