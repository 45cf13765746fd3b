"""From embeddings to probabilities as nodes of an ONNX graph: what `photograft.inference.compose` does in NumPy.

Probabilities are kept as logarithms until the end, since products of factors are sums of them and adjustments
subtractions: 32 bits are then enough where NumPy takes 64.

Shape letters: N photos, D numbers of an embedding, M outputs of a head, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from photograft.data.rows import FACTOR_SEPARATOR
from photograft.models.bundle import Bundle
from photograft.models.bundle_rows import TargetRow
from photograft.models.decisions import Familiar
from photograft.models.export_graph import GraphParts
from photograft.models.export_metadata import PROBABILITIES, STRANGENESS, factor_rows
from photograft.values import DoubleArray, HeadKind


def add_probabilities(parts: GraphParts, bundle: Bundle, embeddings: Mapping[str, str]) -> dict[str, int]:
    """Add heads, links and products behind the embeddings (N, D), by the network's id; gives outputs and their sizes.

    These are the probabilities of classes (N, K) and those of every factor.
    """
    info = bundle.info
    if bundle.several:
        logits = _logits(parts, bundle, info.targets[0], embeddings)
        parts.rename(parts.add("Sigmoid", logits), PROBABILITIES)
        return {PROBABILITIES: len(bundle.classes)}
    logs = [_log_probabilities(parts, bundle, row, embeddings) for row in info.targets]
    factors = factor_rows(bundle)
    sizes = {PROBABILITIES: len(bundle.classes)} | {name: len(row.classes) for name, row in factors.items()}
    if info.joint is None:
        whole = parts.rename(parts.add("Exp", logs[0]), PROBABILITIES)
        for number, (name, row) in enumerate(factors.items()):
            parts.rename(parts.add("MatMul", whole, parts.numbers(_values(info.targets[0], number, row.classes))), name)
        return sizes
    for name, log in zip(factors, logs, strict=True):
        parts.rename(parts.add("Exp", log), name)
    value_FK = np.indices([len(row.classes) for row in info.targets]).reshape(len(logs), -1)
    picked = [
        parts.add("Gather", log, parts.whole(row.tolist()), axis=1) for log, row in zip(logs, value_FK, strict=True)
    ]
    joint = parts.total(picked)
    if info.joint.temperature != 1:
        joint = parts.add("LogSoftmax", parts.scaled(joint, 1 / info.joint.temperature), axis=1)
    parts.rename(parts.add("Exp", joint), PROBABILITIES)
    return sizes


def add_strangeness(parts: GraphParts, embedding: str, familiar: Familiar) -> None:
    """Add how unlike the training photos each photo is, (N,): `photograft.inference.decisions.strangeness` as nodes."""
    from onnx import TensorProto

    centred = parts.add("Sub", embedding, parts.numbers(familiar.centre_D))
    features = parts.add("Div", centred, parts.numbers(familiar.scale_D))
    # Kept in few bits; the runtime makes 32 of them once, when it loads the file.
    level_RD, length_R = familiar.levels
    level_DR = parts.add("Cast", parts.constant(level_RD.T), to=TensorProto.FLOAT)
    basis_DR = parts.add("Div", level_DR, parts.numbers(length_R))
    inside = parts.add("MatMul", features, basis_DR)
    white = parts.add("MatMul", inside, parts.numbers(familiar.whiten_RR))
    mean_KR = familiar.mean_KR.astype(np.float64)
    logits = parts.linear(white, mean_KR.T, -0.5 * np.einsum("kr,kr->k", mean_KR, mean_KR))
    highest = parts.reduced("ReduceMax", logits, 1, keep=True)
    outside = parts.add("Sub", *(parts.reduced("ReduceSumSquare", each, 1, keep=True) for each in (features, inside)))
    near = parts.add("Sub", parts.reduced("ReduceSumSquare", white, 1, keep=True), parts.scaled(highest, 2))
    above = parts.reduced("ReduceSum", parts.add("Exp", parts.add("Sub", logits, highest)), 1, keep=True)
    mean = parts.reduced("ReduceMean", logits, 1, keep=True)
    energy = parts.add("Add", parts.add("Sub", highest, mean), parts.add("Log", above))
    outside_weight, near_weight = (float(weight) for weight in familiar.weights_2)
    lengths = (
        parts.scaled(parts.add("Sqrt", parts.add("Relu", square)), weight)
        for square, weight in ((outside, outside_weight), (near, near_weight))
    )
    strange = parts.add("Sub", parts.total(list(lengths)), energy)
    parts.rename(parts.add("Squeeze", strange, parts.whole([1])), STRANGENESS)


def linear_of(bundle: Bundle, row: TargetRow) -> dict[str, tuple[DoubleArray, DoubleArray]]:
    """Weight (D, M) and bias (M,) of a target on each network: its members' sum, by their weights, at its temperature.

    `embedding @ weight + bias`, added over the networks, are the logits that the link takes.
    """
    network_of = {head.id: head.network for head in bundle.info.heads}
    sums: dict[str, tuple[DoubleArray, DoubleArray]] = {}
    for member in row.members:
        head, share = bundle.heads[member.head], member.weight / row.temperature
        weight_DM, bias_M = share * head.weight_DM.astype(np.float64), share * head.bias_M.astype(np.float64)
        network = network_of[member.head]
        if network in sums:
            weight_DM, bias_M = weight_DM + sums[network][0], bias_M + sums[network][1]
        sums[network] = weight_DM, bias_M
    return sums


def log_prior(row: TargetRow) -> DoubleArray | None:
    """What `prior_adjust` subtracts from log probabilities (K,), None where it changes nothing."""
    if row.prior_adjust is None or not row.prior_adjust.power:
        return None
    share_K = np.asarray(row.prior_adjust.shares, np.float64)
    return np.asarray(row.prior_adjust.power * np.log(np.maximum(share_K, share_K[share_K > 0].min())))


def _log_probabilities(parts: GraphParts, bundle: Bundle, row: TargetRow, embeddings: Mapping[str, str]) -> str:
    """Logarithms of the probabilities (N, K) of one target, of any kind but `sigmoid`."""
    logits = _logits(parts, bundle, row, embeddings)
    logs = _link(parts, logits, bundle.info.kinds[row.name], len(row.classes))
    prior_K = log_prior(row)
    if prior_K is None:
        return logs
    return parts.add("LogSoftmax", parts.add("Sub", logs, parts.numbers(prior_K)), axis=1)


def _logits(parts: GraphParts, bundle: Bundle, row: TargetRow, embeddings: Mapping[str, str]) -> str:
    linear = linear_of(bundle, row)
    return parts.total([parts.linear(embeddings[network], *each) for network, each in linear.items()])


def _link(parts: GraphParts, logits: str, kind: HeadKind, n_classes: int) -> str:
    if kind == "softmax":
        return parts.add("LogSoftmax", logits, axis=1)
    # log sigmoid(x) = -softplus(-x). A class's logarithm is the sum of having passed every class below it, and of not
    # being above it, except for the last; both sums are products with triangles of -1 and 0.
    passed_MK = -np.triu(np.ones((n_classes - 1, n_classes)), 1)
    stays_MK = -np.eye(n_classes - 1, n_classes)
    above = parts.add("MatMul", parts.add("Softplus", parts.add("Neg", logits)), parts.numbers(passed_MK))
    return parts.add("Add", above, parts.add("MatMul", parts.add("Softplus", logits), parts.numbers(stays_MK)))


def _values(row: TargetRow, number: int, values: tuple[str, ...]) -> DoubleArray:
    """Which value of a factor each class has, (K, F) of 0 and 1."""
    own = [name.split(FACTOR_SEPARATOR)[number] for name in row.classes]
    return np.array([[float(each == value) for value in values] for each in own])
