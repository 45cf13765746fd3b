"""What each network of a bundle costs per photo, measured."""

from __future__ import annotations

import statistics
import time

import numpy as np

from photograft.inference.classifier import Classifier

_PHOTOS = 4
_LEAST_PASSES, _MOST_PASSES = 3, 50
_ENOUGH_S = 0.3


def measure_ms(classifier: Classifier) -> dict[str, float]:
    """Milliseconds per photo of every network with its views, by its id, without decoding: the median of some passes.

    The pixels are random: what a network computes does not depend on what it sees.
    """
    bundle = classifier.bundle
    rng = np.random.default_rng(0)
    costs = {}
    for network in bundle.info.networks:
        px = bundle.contracts[network.contract].px
        pixels_NHWC = rng.integers(0, 256, (_PHOTOS, px, px, 3), dtype=np.uint8)
        classifier.embed_with(network.id, pixels_NHWC)  # loads it; the first pass is slower than the others
        seconds: list[float] = []
        while len(seconds) < _LEAST_PASSES or (sum(seconds) < _ENOUGH_S and len(seconds) < _MOST_PASSES):
            started = time.perf_counter()
            classifier.embed_with(network.id, pixels_NHWC)
            seconds.append(time.perf_counter() - started)
        costs[network.id] = 1000 * statistics.median(seconds) / _PHOTOS
    return costs
