"""A frozen part small enough to be recomputed in NumPy, and photos for it; also run as a process of its own."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from photograft.features import boundary_store
from photograft.features.boundary import Front, fill
from photograft.features.boundary_store import BoundaryStore, HalfArray, Space
from photograft.values import PixelArray

PX = 32
COPIES = 3


def write_front(path: Path, *, scale: float = 1.0) -> Path:
    """An ONNX file whose boundary is the mean over squares of 4 x 4 pixels, (3, 8, 8), and the mean colour, (3,)."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["squares"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Mul", ["squares", "scale"], ["map"]),
        helper.make_node("ReduceMean", ["map"], ["mean"], axes=[2, 3], keepdims=0),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", PX, PX, 3])
    outputs = [
        helper.make_tensor_value_info("map", TensorProto.FLOAT, ["batch", 3, 8, 8]),
        helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", 3]),
    ]
    factor = helper.make_tensor("scale", TensorProto.FLOAT, [], [scale])
    graph = helper.make_graph(nodes, "front", [pixels], outputs, [factor])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


def recompute(pixels_HWC: PixelArray) -> HalfArray:
    """What the front gives for one photo, in NumPy: shape (195,)."""
    map_CHW = pixels_HWC.astype(np.float64).reshape(8, 4, 8, 4, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    return np.concatenate([map_CHW.reshape(-1), map_CHW.mean(axis=(1, 2))]).astype(np.float16)


def make_space(**origin: str) -> Space:
    return Space(("map", "mean"), ((3, 8, 8), (3,)), 2, COPIES, origin)


def content(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest() + (":1,2,3,4" if i % 3 == 0 else "")


def draw(i: int) -> tuple[str, PixelArray, PixelArray]:
    """Photo `i`: content, plain views (2, px, px, 3), larger picture."""
    rng = np.random.default_rng(i)
    plain = rng.integers(0, 256, (PX, PX, 3), dtype=np.uint8)
    return content(i), np.stack([plain, plain[:, ::-1]]), rng.integers(0, 256, (PX + 4, PX + 4, 3), dtype=np.uint8)


def shift(source_HWC: PixelArray, content: str, number: int) -> PixelArray:
    """A changed copy that needs no torch: cut out at a place that content and number choose."""
    top, left = (byte % 5 for byte in hashlib.sha256(f"{content}/{number}".encode()).digest()[:2])
    return source_HWC[top : top + PX, left : left + PX]


def record(i: int) -> HalfArray:
    """The record of photo `i`, recomputed: shape (5, 195)."""
    name, plain_VHWC, source = draw(i)
    views = [*plain_VHWC, *(shift(source, name, number) for number in range(COPIES))]
    return np.stack([recompute(pixels_HWC) for pixels_HWC in views])


def main(cache: Path, front: Path, first: int, end: int, pause_s: float) -> None:
    """Fill the records of photos `first` to `end` (backwards where `end` is smaller), slowly."""

    def photos() -> Iterator[tuple[str, PixelArray, PixelArray]]:
        for i in range(first, end) if first < end else range(first - 1, end - 1, -1):
            time.sleep(pause_s)
            yield draw(i)

    boundary_store._SYNC_S = 0.05  # so that a kill falls between any two writes
    store = BoundaryStore(cache, make_space())
    say("begin")
    n = fill(photos(), store, Front(front), shift, threads=2, waiting=lambda: say("waiting"))
    say(str(n))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
