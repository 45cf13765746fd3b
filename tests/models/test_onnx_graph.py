"""Which maps an embedding is made of, read from the ONNX file; the same file with these maps as outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photograft.errors import ModelError
from photograft.features.engine_maps import MapEngine, pool
from photograft.features.engine_onnx import OnnxEngine
from photograft.inference.classifier import Classifier
from photograft.models.onnx_graph import PooledPart, pooled_parts, with_outputs

onnx = pytest.importorskip("onnx")


def write(path: Path, nodes: list[object], size: int, px: int = 16) -> Path:
    """A network of the given nodes behind `map` (N, 3, px, px) with values 0 to 1."""
    helper, types = onnx.helper, onnx.TensorProto
    scale = onnx.numpy_helper.from_array(np.float32(255), "scale")
    before = [
        helper.make_node("Cast", ["pixels"], ["float"], to=types.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["map"], perm=[0, 3, 1, 2]),
    ]
    taken = helper.make_tensor_value_info("pixels", types.UINT8, ["N", px, px, 3])
    given = helper.make_tensor_value_info("embedding", types.FLOAT, ["N", size])
    graph = helper.make_graph([*before, *nodes], "tiny", [taken], [given], [scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_the_parts_of_a_real_network_are_the_pooled_maps(tiny_classifier: Classifier) -> None:
    (network,) = tiny_classifier.bundle.networks.values()
    engine = MapEngine(network)
    pixels = np.random.default_rng(0).integers(0, 256, (2, engine.px, engine.px, 3), dtype=np.uint8)
    embedding_ND, parts = engine.embed_with_maps(pixels)
    assert np.array_equal(embedding_ND, OnnxEngine(network).embed(pixels))
    assert [part.pooling for part in parts] == ["mean", "max"] * 4 + ["mean"]
    assert parts[0].place.start == 0
    assert parts[-1].place.stop == embedding_ND.shape[1]
    for part in parts:
        assert part.map_NChw is not None
        assert np.allclose(pool(part.map_NChw, part.pooling), embedding_ND[:, part.place], atol=1e-4)
    sides = [part.map_NChw.shape[2] for part in parts if part.map_NChw is not None]
    assert sides == sorted(sides, reverse=True)


def test_mean_maximum_all_places_and_what_comes_from_no_place(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    nodes = [
        node("GlobalAveragePool", ["map"], ["average"]),
        node("Flatten", ["average"], ["mean"]),
        node("ReduceMax", ["map"], ["max"], axes=[2, 3], keepdims=0),
        node("Flatten", ["map"], ["flat"]),
        node("Tanh", ["max"], ["bent"]),
        node("Concat", ["mean", "max"], ["pooled"], axis=1),
        node("Concat", ["pooled", "bent", "flat"], ["embedding"], axis=1),
    ]
    network = write(tmp_path / "모두.onnx", nodes, 3 + 3 + 3 + 768)
    assert [part.pooling for part in pooled_parts(network.read_bytes())] == ["mean", "max", "unknown", "all"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    _, parts = MapEngine(network).embed_with_maps(pixels)
    assert [(part.place.start, part.pooling, part.map_NChw is None) for part in parts] == [
        (0, "mean", False), (3, "max", False), (6, "unknown", True), (9, "all", False),
    ]  # fmt: skip


def test_values_that_their_map_does_not_give_are_not_taken_for_it(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    nodes = [  # the graph looks like a mean over places, and is one over rows alone
        node("ReduceMean", ["map"], ["rows"], axes=[2], keepdims=0),
        node("Flatten", ["rows"], ["embedding"]),
    ]
    network = write(tmp_path / "rows.onnx", nodes, 48)
    assert [part.pooling for part in pooled_parts(network.read_bytes())] == ["mean"]
    pixels = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    _, (part,) = MapEngine(network).embed_with_maps(pixels)
    assert (part.pooling, part.map_NChw, part.place) == ("unknown", None, slice(0, 48))


def test_other_outputs_are_added_and_what_is_no_network_is_refused(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    network = write(tmp_path / "n.onnx", [node("ReduceMax", ["map"], ["embedding"], axes=[2, 3], keepdims=0)], 3)
    content = network.read_bytes()
    again = onnx.load_from_string(with_outputs(content, ("map", "scaled")))
    assert [each.name for each in again.graph.output] == ["embedding", "map", "scaled"]
    assert pooled_parts(content) == (PooledPart("max", "map"),)
    with pytest.raises(ModelError, match="no output 숫자"):
        pooled_parts(content, "숫자")
    for damaged in (content[:100], b"\xff" * 50, b"PK\x03\x04" + content):
        with pytest.raises(ModelError):
            pooled_parts(damaged)
