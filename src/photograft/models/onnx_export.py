"""Torch network to one ONNX file: `python -m photograft.models.onnx_export BACKBONE EMBEDDING PX FILE [WEIGHTS]`.

Runs in a process of its own: importing torch and timm takes seconds and half a gigabyte that the run itself never
needs again. The input size is fixed, since "same"-padded convolutions with dynamic sides take many minutes to export;
the batch is dynamic. What the network gives is printed as JSON.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from photograft.errors import ModelError, PhotograftError
from photograft.models.backbone import Embedder, load_embedder, measure_outputs
from photograft.models.catalogue import Backbone, find_backbone, library_backbone
from photograft.models.library import describe
from photograft.models.networks import Outputs

_TOLERANCE = 1e-3
"""Largest difference from torch, in units of the largest value."""
_NAMES = ("embedding", "feature_map")


def export_onnx(embedder: Embedder, path: Path, *, px: int) -> Outputs:
    """Write `embedder` as ONNX, compare it with torch, and say what it gives.

    Input `pixels`, outputs `embedding` and, where the network has one, `feature_map`.
    """
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (3, px, px, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = [each.numpy() for each in embedder(torch.from_numpy(pixels_NHWC))]
    names = _NAMES[: len(expected)]
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            embedder,
            (torch.zeros(2, px, px, 3, dtype=torch.uint8),),
            path,
            input_names=["pixels"],
            output_names=list(names),
            dynamic_shapes=({0: batch},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    _compare(path, pixels_NHWC, dict(zip(names, expected, strict=True)))
    return measure_outputs(embedder.trunk, px=px)


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
    """Export one network and print what it gives; errors go to stderr as one line."""
    name, embedding, px, file, *weights = arguments
    try:
        embedder = load_embedder(_find(name, weights), embedding=embedding, px=int(px))
        outputs = export_onnx(embedder, Path(file), px=int(px))
    except PhotograftError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(json.dumps(asdict(outputs)))  # noqa: T201
    return 0


def _find(name: str, weights: list[str]) -> Backbone:
    return library_backbone(describe(name), Path(weights[0])) if weights else find_backbone(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
