"""Torch network to one ONNX file: `python -m photograft.models.onnx_export KIND FILE PX EMBEDDING BACKBONE [MORE]`.

KIND is `network`, `front` (MORE is the graft point) or `stack` (BACKBONE is the frozen one or `null`, MORE the tuned
ones); backbones are written as `Backbone.to_json` gives them.

Runs in a process of its own: importing torch and timm takes seconds and half a gigabyte that the run itself never
needs again. The input size is fixed, since "same"-padded convolutions with dynamic sides take many minutes to export;
the batch is dynamic. What the network gives is printed as JSON.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx_ir
import onnxruntime
import torch
from onnx_ir.passes.common import (
    ClearMetadataAndDocStringPass,
    CommonSubexpressionEliminationPass,
    DeduplicateInitializersPass,
)
from torch import nn

from photograft.errors import ModelError, PhotograftError
from photograft.models.backbone import Embedder, Stack, load_embedder, measure_outputs
from photograft.models.catalogue import backbone_from_json
from photograft.models.graft import graft
from photograft.models.networks import BoundaryValue, Exported, Outputs

_TOLERANCE = 1e-3
"""Largest difference from torch, in units of the largest value."""
_NAMES = ("embedding", "feature_map")


def export_onnx(embedder: Embedder, path: Path, *, px: int) -> Outputs:
    """Write `embedder` as ONNX, compare it with torch, and say what it gives.

    Input `pixels`, outputs `embedding` and, where the network has one, `feature_map`.
    """
    _export(embedder, path, px=px, names=_NAMES)
    return measure_outputs(embedder.trunk, px=px)


def export_front(embedder: Embedder, path: Path, *, point: str, px: int) -> tuple[BoundaryValue, ...]:
    """Write the frozen front of `embedder` as ONNX, compare it with torch, and say what it gives.

    Input `pixels`, outputs named as the boundary's values.

    Raises:
        ConfigError: The network has no such point.
        ModelError: Nothing is frozen at this point, or the front cannot be exported.
    """
    cut = graft(embedder, point, px=px, batchnorm="frozen")
    if cut.front is None:
        raise ModelError(f"model.graft: {point} freezes nothing, so there is no front to export.")
    _export(cut.front, path, px=px, names=[value.name for value in cut.boundary])
    return cut.boundary


def export_stack(stack: Stack, path: Path, *, px: int) -> Outputs:
    """Write states of one network as one ONNX file, in which what is the same in several is there once."""
    _export(stack, path, px=px, names=_NAMES)
    model = onnx_ir.load(path)
    for shared in (DeduplicateInitializersPass(size_limit=sys.maxsize), CommonSubexpressionEliminationPass()):
        model = shared(model).model
    onnx_ir.save(model, path)
    tuned = [measure_outputs(each.trunk, px=px) for each in stack.tuned]
    last = sum(each.embedding for each in tuned)
    maps = [each.feature_map for each in tuned if each.feature_map is not None]
    feature_map = (sum(channels for channels, _, _ in maps), *maps[0][1:]) if maps else None
    if stack.frozen is None:
        return Outputs(last, last, (), feature_map)
    frozen = measure_outputs(stack.frozen.trunk, px=px)
    return Outputs(frozen.embedding + last, last, frozen.stages, feature_map)


def _export(module: nn.Module, path: Path, *, px: int, names: Sequence[str]) -> None:
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (3, px, px, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = [each.numpy() for each in module(torch.from_numpy(pixels_NHWC))]
    names = names[: len(expected)]
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(2, px, px, 3, dtype=torch.uint8),),
            path,
            input_names=["pixels"],
            output_names=list(names),
            dynamic_shapes=({0: batch},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    # torch writes down where its own code and ours lie on this machine: that is nobody's business, and makes the same
    # network another file on each machine.
    onnx_ir.save(ClearMetadataAndDocStringPass()(onnx_ir.load(path)).model, path)
    _compare(path, pixels_NHWC, dict(zip(names, expected, strict=True)))


def _compare(path: Path, pixels_NHWC: np.ndarray, expected: dict[str, np.ndarray]) -> None:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for (name, want), got in zip(expected.items(), session.run(None, {"pixels": pixels_NHWC}), strict=True):
        if not np.isfinite(want).all():
            raise ModelError(f"The network gives values in {name} that are no numbers: its weights are damaged.")
        scale = max(1.0, float(np.abs(want).max()))
        difference = float(np.abs(want - got).max()) / scale if want.shape == got.shape else np.inf
        if not difference <= _TOLERANCE:
            raise ModelError(
                f"The exported network differs from torch in {name} by {difference:.2g} (at most {_TOLERANCE})."
            )


def main(arguments: list[str]) -> int:
    """Export one network, its front or a stack, and print what it gives; errors go to stderr as one line.

    Arguments: `network FILE PX EMBEDDING BACKBONE`, `front ... BACKBONE POINT` or `stack ... FROZEN TUNED...`, where
    backbones are JSON. Of a stack, EMBEDDING is the frozen one's, and FROZEN may be `null`.
    """
    kind, file, px_text, embedding, backbone, *more = arguments
    path, px = Path(file), int(px_text)
    try:
        if kind == "stack":
            frozen = None if backbone == "null" else _load(backbone, embedding, px)
            outputs = export_stack(Stack(frozen, [_load(each, "last", px) for each in more]), path, px=px)
            exported = Exported(outputs=outputs)
        elif kind == "front":
            boundary = export_front(_load(backbone, embedding, px), path, point=more[0], px=px)
            exported = Exported(boundary=boundary)
        else:
            exported = Exported(outputs=export_onnx(_load(backbone, embedding, px), path, px=px))
    except PhotograftError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(json.dumps(asdict(exported)))  # noqa: T201
    return 0


def _load(backbone: str, embedding: str, px: int) -> Embedder:
    return load_embedder(backbone_from_json(backbone), embedding=embedding, px=px)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
