"""What a model is asked about a photo, as one number: the log odds of a class, a factor's value or a label.

A heat map says where in the photo this number comes from. Of a linear head it is, close to the photo, a weighted sum of
the embedding; `directions` gives the weights.

Shape letters: N photos, M logits of a target, K its classes, D numbers of an embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from photograft.errors import ConfigError
from photograft.inference.classifier import Prediction
from photograft.inference.compose import compose_targets, factors_of, weigh
from photograft.models.bundle import Bundle
from photograft.models.bundle_rows import TargetRow
from photograft.values import BoolArray, DoubleArray, FloatArray

_LEAST = {"softmax": 1e-300}
"""The smallest probability that is told from 0, by the kind of head: others are 1 less something."""
_LEAST_OF_OTHERS = 1e-15
_STEP = 1e-3


@dataclass(frozen=True)
class Question:
    """What is asked: how sure the model is of `label`, which some of a target's classes say (`member_K`).

    `factor` names the factor that the label is a value of, empty where classes have none.
    """

    target: str
    factor: str
    label: str
    member_K: BoolArray

    def __hash__(self) -> int:
        return hash((self.target, self.factor, self.label))


def questions_about(prediction: Prediction, bundle: Bundle) -> list[Question]:
    """What to ask about a predicted photo: the predicted class, each factor's value, or every label that is given."""
    info = bundle.info
    factors = factors_of(info.targets, info.joint)
    if factors:
        return [_of_factor(factor.name, prediction.factors[factor.name].label, bundle) for factor in factors]
    if bundle.several:
        given = [name for name, _ in prediction.labels] or [prediction.top[0][0]]
        return [_of_class(info.targets[0], name) for name in given]
    return [_of_class(info.targets[0], prediction.top[0][0])]


def questions_named(label: str, bundle: Bundle) -> list[Question]:
    """What to ask about a class, a combination (a question for each of its factors), or the value of a factor.

    Raises:
        ConfigError: The model knows no such class.
    """
    info = bundle.info
    if info.joint is None and label in info.targets[0].classes:
        return [_of_class(info.targets[0], label)]
    factors = factors_of(info.targets, info.joint)
    if label in bundle.classes:  # a combination: of each factor its value
        k = bundle.classes.index(label)
        return [_of_factor(factor.name, factor.classes[factor.value_K[k]], bundle) for factor in factors]
    found = [_of_factor(factor.name, label, bundle) for factor in factors if label in factor.classes]
    if not found:
        known = [*bundle.classes, *(value for factor in factors for value in factor.classes)]
        raise ConfigError(
            f"--class: the model knows no class {label!r}; it knows {', '.join(known[:20])}"
            f"{f' and {len(known) - 20} more' if len(known) > 20 else ''}."
        )
    return found


def target_logits(bundle: Bundle, row: TargetRow, embeddings: Mapping[str, FloatArray]) -> DoubleArray:
    """Logits (N, M) of a target from embeddings (N, D) per network, the mean over its views."""
    network_of = {head.id: head.network for head in bundle.info.heads}
    parts = []
    for member in row.members:
        head = bundle.heads[member.head]
        parts.append(embeddings[network_of[member.head]] @ head.weight_DM + head.bias_M)
    return weigh(parts, [member.weight for member in row.members])


def log_odds(question: Question, bundle: Bundle, logits_NM: DoubleArray) -> DoubleArray:
    """Log odds (N,) of the answer, from the logits of the question's target."""
    row = target_row(bundle, question)
    probabilities_NK = compose_targets({row.name: logits_NM}, (row,), None, kinds=bundle.info.kinds).probabilities_NK
    chance_N = probabilities_NK[:, question.member_K].sum(axis=1)
    # Not 1 - chance: of a sure answer nothing would be left of it.
    other_N = 1 - chance_N if bundle.several else probabilities_NK[:, ~question.member_K].sum(axis=1)
    least = _LEAST.get(bundle.info.kinds[row.name], _LEAST_OF_OTHERS)
    return np.asarray(np.log(np.maximum(chance_N, least)) - np.log(np.maximum(other_N, least)))


def chances(log_odds_N: DoubleArray) -> DoubleArray:
    """Probabilities from log odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds_N, -700, 700))))


def directions(question: Question, bundle: Bundle, embeddings: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """How the log odds of one photo change with its embedding (D,) of every network that has a say.

    `embeddings` are (1, D) each. The derivative by the logits is measured (central differences), as it is for any kind
    of head.
    """
    row = target_row(bundle, question)
    logits_1M = target_logits(bundle, row, embeddings)
    steps_MM = _STEP * np.eye(logits_1M.shape[1])
    up_M, down_M = (log_odds(question, bundle, logits_1M + sign * steps_MM) for sign in (1, -1))
    slope_M = (up_M - down_M) / (2 * _STEP)
    network_of = {head.id: head.network for head in bundle.info.heads}
    found: dict[str, FloatArray] = {}
    for member in row.members:
        weight_D = (member.weight * (bundle.heads[member.head].weight_DM @ slope_M)).astype(np.float32)
        network = network_of[member.head]
        found[network] = found[network] + weight_D if network in found else weight_D
    return found


def target_row(bundle: Bundle, question: Question) -> TargetRow:
    """The target that a question is about."""
    return next(row for row in bundle.info.targets if row.name == question.target)


def _of_class(row: TargetRow, label: str) -> Question:
    return Question(row.name, "", label, np.array([name == label for name in row.classes]))


def _of_factor(name: str, value: str, bundle: Bundle) -> Question:
    info = bundle.info
    if info.joint is not None:
        row = next(row for row in info.targets if row.name == name)
        return Question(name, name, value, np.array([each == value for each in row.classes]))
    factor = next(factor for factor in factors_of(info.targets, None) if factor.name == name)
    return Question(info.targets[0].name, name, value, factor.value_K == factor.classes.index(value))
