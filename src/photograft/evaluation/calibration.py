"""Make probabilities as sure as they are right. Shape letters: N photos, M outputs of a head."""

from __future__ import annotations

from photograft.metrics import links
from photograft.metrics.temperature import fit_temperature
from photograft.values import DoubleArray, FloatArray, HeadKind

_MISTAKES_TO_SHARPEN = 10


def calibrate(logits_NM: FloatArray | DoubleArray, truth: links.Truth, kind: HeadKind = "softmax") -> float:
    """The temperature to ship: the fitted one, but below 1 only where enough mistakes speak for it.

    With hardly a mistake among the photos, the fit would make every probability 1. Kinds of heads other than `softmax`
    have one temperature for all their outputs; a mistake is then a yes-or-no question with the wrong answer. `truth` is
    that of `photograft.metrics.links`.
    """
    logits_RC, label_R = links.as_softmax(kind, logits_NM, truth)
    temperature = fit_temperature(logits_RC, label_R)
    n_mistakes = int((logits_RC.argmax(axis=1) != label_R).sum())
    return temperature if n_mistakes >= _MISTAKES_TO_SHARPEN else max(temperature, 1.0)
