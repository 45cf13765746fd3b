"""The fused file as OpenVINO's intermediate representation, with the same inputs, outputs and metadata."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from photograft.errors import MissingExtraError, ModelError
from photograft.models.device import usable_cores
from photograft.values import FloatArray, PixelArray

_SECTION = "photograft"


def write_openvino(fused: Any, folder: Path) -> None:
    """Write model.xml and model.bin from an `onnx.ModelProto`; its metadata stand in the section `photograft`.

    Weights keep 32 bits. With 16 the file is half as large and as fast, and probabilities differ in the third digit.

    Raises:
        MissingExtraError: The package openvino is not installed.
        ModelError: OpenVINO cannot read the network.
    """
    require_openvino()
    import openvino

    with tempfile.TemporaryDirectory(prefix="photograft-openvino-") as scratch:
        file = Path(scratch, "model.onnx")
        file.write_bytes(fused.SerializeToString())
        try:
            model = openvino.convert_model(str(file))
        except Exception as error:  # OpenVINO raises types of its own, all meaning the same here
            raise ModelError(f"OpenVINO cannot take over this network: {_sentence(error)}") from error
    for each in fused.metadata_props:
        model.set_rt_info(each.value, [_SECTION, each.key])
    openvino.save_model(model, str(folder / "model.xml"), compress_to_fp16=False)


def open_openvino(folder: Path, *, bf16: bool = False) -> Callable[[PixelArray], dict[str, FloatArray]]:
    """The written model on the CPU: pixels (N, px, px, 3) to its outputs by name.

    It computes in 32 bits, or with `bf16` in 16, which OpenVINO does by itself on processors that can.
    """
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": usable_cores(),
    }
    compiled = openvino.Core().compile_model(str(folder / "model.xml"), "CPU", settings)
    names = [output.get_any_name() for output in compiled.outputs]

    def run(pixels_NHWC: PixelArray) -> dict[str, FloatArray]:
        found = compiled({"pixels": np.ascontiguousarray(pixels_NHWC)})
        return {name: np.array(found[name]) for name in names}

    return run


def can_bf16() -> bool:
    """Whether this processor computes in bf16, as OpenVINO would then do by itself."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def require_openvino() -> None:
    """Say which extra is missing where the package openvino is not installed."""
    if importlib.util.find_spec("openvino") is None:
        raise MissingExtraError("--to openvino", "openvino")


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
