"""Golden pictures: synthetic files in the bundle whose outputs were written down when the model was made."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from photograft.data.images import decode
from photograft.errors import ImageRejected, IntegrityError
from photograft.inference.classifier import Classifier
from photograft.models.bundle import GoldenRow
from photograft.values import PixelArray

TOLERANCE = 1e-4
"""Largest difference of a probability: between machines, ONNX Runtime differs in the sixth digit."""


def draw_golden_pictures() -> dict[str, bytes]:
    """A PNG and a JPEG with edges, gradients and noise, neither square nor of the network's size; always the same."""
    rng = np.random.default_rng(20_240_229)
    y, x = np.mgrid[0:197, 0:263]
    red = 128 + 100 * np.sin(x / 9) * np.cos(y / 17)
    green = np.where((x // 24 + y // 24) % 2 == 0, 40, 215)
    blue = 255 * x / 262
    picture = np.stack([red, green, blue], axis=2) + rng.normal(0, 12, (197, 263, 3))
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    files = {}
    for name, options in (("golden/picture.png", {}), ("golden/picture.jpg", {"quality": 92})):
        buffer = io.BytesIO()
        image.save(buffer, "PNG" if name.endswith("png") else "JPEG", **options)
        files[name] = buffer.getvalue()
    return files


def play_golden(
    classifier: Classifier, files: dict[str, bytes], *, decode_bytes: Callable[[bytes], PixelArray] | None = None
) -> tuple[GoldenRow, ...]:
    """What the bundle makes of the pictures now: pixel hashes, and probabilities of the target.

    Pictures that photograft drew itself are decoded here; those of a bundle from elsewhere need `decode_bytes`, a
    decoder in a process of its own.
    """
    target = classifier.bundle.info.targets[0].name
    rows = []
    for name, content in files.items():
        pixels = decode_bytes(content) if decode_bytes else decode(content, classifier.bundle.contract).pixels
        probabilities_NK = classifier.probabilities(classifier.embed(pixels[None]))
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        outputs = {target: tuple(float(p) for p in probabilities_NK[0])}
        rows.append(GoldenRow(file=name, pixels_sha256=digest, outputs=outputs))
    return tuple(rows)


def replay_golden(classifier: Classifier) -> tuple[int, float, list[str]]:
    """Compare golden pictures with what was written down: their number, the largest difference, the problems."""
    bundle = classifier.bundle
    expected = bundle.info.golden
    if not expected:
        raise IntegrityError(f"{bundle.folder} holds no golden outputs, so nothing can be verified.")
    problems = []
    largest = 0.0
    for want in expected:
        try:
            picture = {want.file: (bundle.folder / want.file).read_bytes()}
            (got,) = play_golden(classifier, picture, decode_bytes=classifier.decode)
        except ImageRejected as rejected:
            problems.append(f"{want.file} cannot be decoded: {rejected}")
            continue
        if want.pixels_sha256 != got.pixels_sha256:
            problems.append(f"{want.file}: the decoder gives other pixels here than where the model was made")
        for target, values in want.outputs.items():
            difference = float(np.abs(np.subtract(values, got.outputs[target])).max())
            largest = max(largest, difference)
            if not difference <= TOLERANCE:
                problems.append(
                    f"{want.file}: probabilities of {target} differ by {difference:.2g} (at most {TOLERANCE:g})"
                )
    return len(expected), largest, problems
