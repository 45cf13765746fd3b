"""The whole bundle as one ONNX file: pixels in, probabilities out. Needs the package onnx, and no torch.

Takes `pixels` (N, px, px, 3) uint8 RGB, as the contract gives them. Gives `probabilities` (N, K), `embedding` (N, D),
`factor_1` and so on where classes have factors, and `strangeness` (N,) where the bundle tells unfamiliar photos.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np

from photograft.contract import view_corner, window_px
from photograft.errors import MissingExtraError, ModelError
from photograft.models.bundle import Bundle
from photograft.models.export_graph import OPSET, GraphParts
from photograft.models.export_links import add_probabilities, add_strangeness
from photograft.models.export_metadata import (
    EMBEDDING,
    PIXELS,
    STRANGENESS,
    export_metadata,
    require_one_contract,
)

_LAST = np.iinfo(np.int64).max


def require_onnx(what: str) -> None:
    """Say which extra is missing where the package onnx is not installed."""
    if importlib.util.find_spec("onnx") is None:
        raise MissingExtraError(what, "train")


def fuse(bundle: Bundle) -> Any:
    """One ONNX model (`onnx.ModelProto`) that does all that the bundle does with pixels of its contract.

    Raises:
        MissingExtraError: The package onnx is not installed.
        ModelError: The bundle has several contracts, or a network that cannot be taken over.
    """
    require_onnx("Writing ONNX files")
    from onnx import TensorProto, checker, helper

    require_one_contract(bundle)
    networks = _load_networks(bundle)
    parts, inner = GraphParts(), _Inner()
    embeddings = {}
    for number, (name, model) in enumerate(networks.items(), start=1):
        embeddings[name] = _add_network(parts, inner, bundle, name, model, prefix=f"network_{number}/")
    sizes = {name: ["N", size] for name, size in add_probabilities(parts, bundle, embeddings).items()}
    sizes[EMBEDDING] = ["N", sum(row.outputs["embedding"] for row in bundle.info.networks)]
    every = list(embeddings.values())
    parts.rename(every[0] if len(every) == 1 else parts.add("Concat", *every, axis=1), EMBEDDING)
    told = bundle.info.decisions.unfamiliar
    if told is not None and bundle.familiar is not None:
        add_strangeness(parts, embeddings[told.network], bundle.familiar)
        sizes[STRANGENESS] = ["N"]
    px = bundle.contract.px
    graph = helper.make_graph(
        inner.placed(parts.nodes),
        "photograft",
        [helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, ["N", px, px, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in sizes.items()],
        [*inner.constants, *parts.constants],
    )
    first = next(iter(networks.values()))
    fused = helper.make_model(graph, opset_imports=first.opset_import, producer_name="photograft")
    fused.ir_version = max(model.ir_version for model in networks.values())
    helper.set_model_props(fused, export_metadata(bundle))
    checker.check_model(fused, full_check=True)
    return fused


class _Inner:
    """What is taken over from the networks' own graphs, each behind its views."""

    def __init__(self) -> None:
        self.constants: list[Any] = []
        self._behind: list[tuple[int, list[Any]]] = []

    def take(self, graph: Any, output: str, renamed: Mapping[str, str], *, behind: int) -> None:
        """The nodes that lead to an output, to stand behind so many of our own, and their constants.

        They read tensors under names that were `renamed`.
        """
        nodes = _leading_to(graph, output)
        for node in nodes:
            node.input[:] = [renamed.get(name, name) for name in node.input]
        used = {name for node in nodes for name in node.input}
        self._behind.append((behind, nodes))
        self.constants += [each for each in graph.initializer if each.name in used]

    def placed(self, own: list[Any]) -> list[Any]:
        """All nodes in an order in which each stands behind those that it reads."""
        placed, start = [], 0
        for behind, nodes in self._behind:
            placed += [*own[start:behind], *nodes]
            start = behind
        return placed + own[start:]


def _add_network(parts: GraphParts, inner: _Inner, bundle: Bundle, name: str, model: Any, *, prefix: str) -> str:
    """A network behind its views; gives its embedding (N, D), the mean over them."""
    from onnx import compose

    row = bundle.info.views_of(name)
    px = bundle.contract.px
    views = row.names
    graph = compose.add_prefix(model, prefix).graph
    seen = [_add_view(parts, view, px) for view in views]
    stacked = seen[0] if len(seen) == 1 else parts.add("Concat", *seen, axis=0)
    inner.take(graph, f"{prefix}{EMBEDDING}", {f"{prefix}{PIXELS}": stacked}, behind=len(parts.nodes))
    if len(views) == 1:
        return f"{prefix}{EMBEDDING}"
    size = next(each.outputs["embedding"] for each in bundle.info.networks if each.id == name)
    by_view = parts.add("Reshape", f"{prefix}{EMBEDDING}", parts.whole([len(views), -1, size]))
    return parts.reduced("ReduceMean", by_view, 0)


def _add_view(parts: GraphParts, view: str, px: int) -> str:
    """What a view shows of the picture; nothing is resampled."""
    shown = PIXELS
    if view.removesuffix("-flipped") != "whole":
        side, (top, left) = window_px(px, "five"), view_corner(view, px)
        bounds = ([top, left], [top + side, left + side], [1, 2])
        shown = parts.add("Slice", shown, *(parts.whole(each) for each in bounds))
    if view.endswith("-flipped"):
        backwards = ([-1], [-_LAST], [2], [-1])
        shown = parts.add("Slice", shown, *(parts.whole(each) for each in backwards))
    return shown


def _load_networks(bundle: Bundle) -> dict[str, Any]:
    """The networks by their ids, all in the same set of operations, without what the export from torch noted down."""
    import onnx
    from onnx import version_converter

    models = {name: onnx.load(path) for name, path in bundle.networks.items()}
    for name, model in models.items():
        others = sorted({each.domain for each in model.opset_import if each.domain not in ("", "ai.onnx")})
        if others or model.functions:
            raise ModelError(
                f"{bundle.networks[name]} has operations that are not ONNX's own ({', '.join(others) or 'functions'}), "
                "which an exported file cannot take over."
            )
    newest = max(OPSET, *(_opset(model) for model in models.values()))
    for name, model in models.items():
        if _opset(model) < newest:
            models[name] = version_converter.convert_version(model, newest)
        _forget_origin(models[name])
    return models


def _opset(model: Any) -> int:
    return int(next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx")))


def _forget_origin(model: Any) -> None:
    """Lines of source code and paths of the machine that exported it: as large as the graph, and nobody's business."""
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del each.metadata_props[:]
        each.doc_string = ""
    del graph.value_info[:]


def _leading_to(graph: Any, output: str) -> list[Any]:
    """The nodes that an output needs, in their order."""
    needed, kept = {output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]
