"""Torch network to one ONNX file: `python -m photograft.models.onnx_export BACKBONE EMBEDDING PX FILE`.

Runs in a process of its own: importing torch and timm takes seconds and half a gigabyte that the run itself never
needs again. The input size is fixed, since "same"-padded convolutions with dynamic sides take many minutes to export;
the batch is dynamic.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from photograft.errors import ModelError, PhotograftError
from photograft.models.backbone import Embedder, load_embedder
from photograft.models.catalogue import find_backbone

_TOLERANCE = 1e-3


def export_onnx(embedder: Embedder, path: Path, *, px: int) -> None:
    """Write `embedder` as ONNX: input `pixels`, outputs `embedding` and `feature_map`; then compare it with torch."""
    example = torch.zeros(2, px, px, 3, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            embedder,
            (example,),
            path,
            input_names=["pixels"],
            output_names=["embedding", "feature_map"],
            dynamic_shapes=({0: batch},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    _compare(embedder, path, px)


def _compare(embedder: Embedder, path: Path, px: int) -> None:
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (3, px, px, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = [t.numpy() for t in embedder(torch.from_numpy(pixels_NHWC))]
    for name, want, got in zip(
        ("embedding", "feature_map"), expected, session.run(None, {"pixels": pixels_NHWC}), strict=True
    ):
        difference = float(np.abs(want - got).max())
        if want.shape != got.shape or difference > _TOLERANCE:
            raise ModelError(
                f"The exported network differs from torch in {name} by {difference:.2g} (at most {_TOLERANCE})."
            )


def main(arguments: list[str]) -> int:
    """Export one network; errors go to stderr as one line."""
    name, embedding, px, file = arguments
    try:
        export_onnx(load_embedder(find_backbone(name), embedding=embedding), Path(file), px=int(px))
    except PhotograftError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
