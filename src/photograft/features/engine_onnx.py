"""Run an exported network with ONNX Runtime on the CPU: the same path in training, prediction and verification."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from photograft.errors import ModelError
from photograft.models.device import usable_cores
from photograft.values import FloatArray, PixelArray


class OnnxEngine:
    """A network in ONNX Runtime: pixels (N, px, px, 3) uint8 to embedding (N, D) float32."""

    name = "onnxruntime-fp32"

    def __init__(self, network: Path, *, content: bytes | None = None, threads: int | None = None) -> None:
        self._batch = photos_at_once(threads)
        self._session = open_session(network, content=content, threads=threads)
        self.px = int(self._session.get_inputs()[0].shape[1])

    def embed(self, pixels_NHWC: PixelArray) -> FloatArray:
        """Embedding of shape (N, D); photos do not influence each other."""
        parts = [
            self._session.run(["embedding"], {"pixels": np.ascontiguousarray(pixels_NHWC[i : i + self._batch])})[0]
            for i in range(0, len(pixels_NHWC), self._batch)
        ]
        return np.concatenate(parts)


class SideBySideEngine(OnnxEngine):
    """The same for a server: photos are divided among the cores, each of which takes its own through the network.

    A pass on several threads waits for the slowest of them after each of the network's 200 operations. Where decoders
    want the cores too, that doubles what a photo costs; passes on one thread wait for nobody.
    """

    def __init__(self, network: Path) -> None:
        super().__init__(network, threads=1)
        self._cores = usable_cores()
        self._threads = ThreadPoolExecutor(self._cores, thread_name_prefix="photograft-network")

    def embed(self, pixels_NHWC: PixelArray) -> FloatArray:
        """Embedding of shape (N, D)."""
        if len(pixels_NHWC) == 1:
            return super().embed(pixels_NHWC)
        parts = np.array_split(pixels_NHWC, min(self._cores, len(pixels_NHWC)))
        return np.concatenate(list(self._threads.map(super().embed, parts)))


def photos_at_once(threads: int | None = None) -> int:
    """How many photos a session is best given at once."""
    # One photo per core: larger batches push the middle layers out of the processor's cache, and each photo
    # then takes longer (measured: a fifth longer at 16 photos of 320 px on two cores).
    return max(threads or usable_cores(), 2)


def open_session(
    network: Path, *, content: bytes | None = None, threads: int | None = None
) -> onnxruntime.InferenceSession:
    """A network in ONNX Runtime, from its file or from its `content`, which `network` then names.

    Raises:
        ModelError: It cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.log_severity_level = 3
    # Waking a sleeping thread for each of the network's 200 operations costs up to half of its time on a virtual
    # machine, so threads spin within a pass; after it they sleep, and leave the cores to the decoders.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = onnxruntime.InferenceSession(content or network, options, providers=["CPUExecutionProvider"])
        int(session.get_inputs()[0].shape[1])
    except Exception as error:  # onnxruntime raises many types of its own, all meaning the same here
        raise ModelError(f"{network} is not a network that ONNX Runtime can load: {error}") from error
    return session
