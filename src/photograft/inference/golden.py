"""Golden pictures: synthetic files in the bundle whose outputs were written down when the model was made."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from photograft.data.images import decode
from photograft.errors import ImageRejected, IntegrityError
from photograft.inference.classifier import Classifier
from photograft.models.bundle import Bundle
from photograft.models.bundle_rows import GoldenRow
from photograft.values import DoubleArray, PixelArray

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
    classifier: Classifier,
    files: dict[str, bytes],
    *,
    decode_bytes: Callable[[bytes], Mapping[str, PixelArray]] | None = None,
) -> tuple[GoldenRow, ...]:
    """What the bundle makes of the pictures now: pixel hashes, and probabilities of targets and combinations.

    Pictures that photograft drew itself are decoded here; those of a bundle from elsewhere need `decode_bytes`, a
    decoder in a process of its own that gives pixels by contract.
    """
    bundle = classifier.bundle
    rows = []
    for name, content in files.items():
        if decode_bytes:
            pixels = decode_bytes(content)
        else:
            pixels = {key: decode(content, contract).pixels for key, contract in bundle.contracts.items()}
        composed = classifier.probabilities(classifier.embed({key: each[None] for key, each in pixels.items()}))
        digests = {key: hashlib.sha256(each.tobytes()).hexdigest() for key, each in pixels.items()}
        rows.append(
            GoldenRow(
                file=name,
                pixels_sha256=next(iter(digests.values())),
                pixels=digests if len(digests) > 1 else {},
                outputs={target: _numbers(each_NK) for target, each_NK in composed.by_target.items()},
                joint=_numbers(composed.probabilities_NK) if bundle.joint else (),
            )
        )
    return tuple(rows)


def replay_golden(classifier: Classifier, pictures: Mapping[str, bytes] | None = None) -> tuple[int, float, list[str]]:
    """Compare golden pictures with what was written down: their number, the largest difference, the problems.

    They are those of the bundle's folder, or `pictures`, which need not be all.
    """
    bundle = classifier.bundle
    pictures = golden_pictures(bundle) if pictures is None else pictures
    expected = [row for row in bundle.info.golden if row.file in pictures]
    if not expected:
        raise IntegrityError(f"{bundle.folder} holds no golden outputs, so nothing can be verified.")
    problems = []
    largest = 0.0
    for want in expected:
        try:
            picture = {want.file: pictures[want.file]}
            (got,) = play_golden(classifier, picture, decode_bytes=classifier.decode)
        except ImageRejected as rejected:
            problems.append(f"{want.file} cannot be decoded: {rejected}")
            continue
        if (want.pixels_sha256, want.pixels) != (got.pixels_sha256, got.pixels):
            problems.append(f"{want.file}: the decoder gives other pixels here than where the model was made")
        pairs = {name: (want.outputs.get(name, ()), got_K) for name, got_K in got.outputs.items()}
        for name, (want_K, got_K) in [*pairs.items(), ("all combinations", (want.joint, got.joint))]:
            if len(want_K) != len(got_K):
                problems.append(
                    f"{want.file}: {len(want_K)} probabilities of {name} were written down for {len(got_K)}"
                )
                continue
            difference = max(map(abs, np.subtract(want_K, got_K)), default=0.0)
            largest = max(largest, float(difference))
            if not difference <= TOLERANCE:
                problems.append(
                    f"{want.file}: probabilities of {name} differ by {difference:.2g} (at most {TOLERANCE:g})"
                )
    return len(expected), largest, problems


def golden_pictures(bundle: Bundle) -> dict[str, bytes]:
    """The golden pictures of a bundle's folder by their names there."""
    return {row.file: (bundle.folder / row.file).read_bytes() for row in bundle.info.golden}


def _numbers(probabilities_1K: DoubleArray) -> tuple[float, ...]:
    return tuple(float(p) for p in probabilities_1K[0])
