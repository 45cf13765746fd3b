"""The fused ONNX file with networks of 8-bit integers, by static quantisation of ONNX Runtime. Needs the package onnx.

Weights are quantised per channel, activations per tensor, by the smallest and largest value that calibration photos
give. Heads, links and what tells unfamiliar photos keep 32 bits: they cost no time, and their errors are not averaged
out. The settings are those that kept most of the accuracy of what was tried (docs/guides/export.md).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from photograft.models.export_graph import OWN
from photograft.models.export_onnx import require_onnx
from photograft.values import PixelArray

_KINDS = ("Conv", "Gemm", "MatMul", "Add", "Clip", "Relu")
"""What is quantised: what multiplies, and what stands between, so that maps stay integers from one to the next."""

_AT_ONCE = 4


def quantise(fused: Any, pixels_NHWC: PixelArray) -> bytes:
    """The content of an ONNX file with the same inputs, outputs and metadata as `fused`, calibrated on some photos."""
    require_onnx("Quantisation")
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="photograft-int8-") as folder:
        whole, prepared, quantised = (Path(folder, f"{name}.onnx") for name in ("whole", "prepared", "quantised"))
        whole.write_bytes(fused.SerializeToString())  # a model in memory would be given on without its constants
        quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(str(prepared)).graph.node
        quantize_static(
            str(prepared),
            str(quantised),
            _Reader(pixels_NHWC),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_KINDS),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in nodes if node.name.startswith(OWN)],
            calibrate_method=CalibrationMethod.MinMax,
        )
        model = onnx.load(str(quantised))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {each.key: each.value for each in fused.metadata_props})
    return bytes(model.SerializeToString())


class _Reader:
    """Calibration photos as ONNX Runtime asks for them: a few at a time, None behind the last."""

    def __init__(self, pixels_NHWC: PixelArray) -> None:
        self._parts: Iterator[PixelArray] = (
            pixels_NHWC[i : i + _AT_ONCE] for i in range(0, len(pixels_NHWC), _AT_ONCE)
        )

    def get_next(self) -> dict[str, PixelArray] | None:
        part = next(self._parts, None)
        return None if part is None else {"pixels": part}
