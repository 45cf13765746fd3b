"""What a machine reaches at best: ONNX Runtime alone on all cores, Pillow and photograft's decoder alone on one.

`python benchmarks/rates.py NETWORK PHOTOS --px 224` prints photos per second as JSON: `network` for the exported
network (a file of the cache folder `networks/`) on batches of 16 random pictures with ONNX Runtime's own options,
`decode` for photograft's decoder with all its checks and hashes, `pillow` for plain open, convert and resize of the
same bytes. Each is the median of five repetitions. `express_lane.py` runs this as a process of its own.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

import machine
from photo_sets import photos_by_class
from photograft.contract import make_contract
from photograft.data.images import decode

BATCH = 16
_BATCHES = 5
_PHOTOS = 300
_REPETITIONS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--px", type=int, required=True)
    parser.add_argument("--threads", type=int, default=machine.usable_cores(), help="of ONNX Runtime")
    arguments = parser.parse_args()
    files = [file for listed in photos_by_class(arguments.photos).values() for file in listed]
    step = max(1, len(files) // _PHOTOS)
    contents = [file.read_bytes() for file in files[::step][:_PHOTOS]]
    contract = make_contract(arguments.px)
    rates = {
        "network": _network_rate(arguments.network, arguments.px, arguments.threads),
        "decode": _rate(lambda: [decode(data, contract) for data in contents], len(contents)),
        "pillow": _rate(lambda: [_plain_pillow(data, arguments.px) for data in contents], len(contents)),
    }
    print(json.dumps(rates))


def _network_rate(network: Path, px: int, threads: int) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (BATCH, px, px, 3), dtype=np.uint8)

    def run() -> None:
        for _ in range(_BATCHES):
            session.run(["embedding"], {"pixels": pixels_NHWC})

    run()  # the first runs lay out memory
    return _rate(run, BATCH * _BATCHES)


def _rate(work: Callable[[], object], n: int) -> float:
    """Pieces per second where `work` does `n` of them."""
    rates = []
    for _ in range(_REPETITIONS):
        started = time.perf_counter()
        work()
        rates.append(n / (time.perf_counter() - started))
    return statistics.median(rates)


def _plain_pillow(data: bytes, px: int) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB").resize((px, px), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    main()
