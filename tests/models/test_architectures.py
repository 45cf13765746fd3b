from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photograft.errors import ConfigError, ModelError
from photograft.models.catalogue import Backbone, find_backbone
from photograft.models.facts import facts_file
from photograft.values import Layer

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("torchvision")

from tests.models.test_own_names import SMALL, make_run  # noqa: E402

from photograft.models.backbone import Embedder, load_embedder, measure_outputs  # noqa: E402
from photograft.models.graft import Graft, export_graph, graft  # noqa: E402
from photograft.models.library import build_network, count_parameters, describe  # noqa: E402
from photograft.models.points import find_part, running_order  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch and timm, about themselves

DENSENET_121 = 'densenet:{"growth_rate": 32, "block_config": [6, 12, 24, 16], "num_init_features": 64}'


def find_random(name: str, *hidden: str, cache_dir: Path, pool: Any = "own") -> Backbone:
    if name.startswith(("timm:", "torchvision:")):  # as the library tells it, without a process of its own
        file = facts_file(name, cache_dir)
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(asdict(describe(name, count=False))), "utf-8")
    return find_backbone(name, weights="random", pool=pool, cache_dir=cache_dir).with_hidden(hidden)


def pixels(px: int, *, n: int = 4) -> Any:
    return torch.randint(0, 256, (n, px, px, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def embed(embedder: Embedder, px: int = 64) -> Any:
    with torch.no_grad():
        return embedder(pixels(px))[0]


def cut(backbone: Backbone, point: str, *, px: int = 64, dropout: float = 0.0, seed: int = 0) -> Graft:
    embedder = load_embedder(backbone, embedding="last", px=px, seed=seed, dropout=dropout)
    return graft(embedder, point, px=px, batchnorm="frozen")


def count_on_meta(backbone: Backbone, point: str) -> dict[str, tuple[int, bool]]:
    """Parameters that the embedding needs, and whether they train, by name: without memory, so in any size."""
    with torch.device("meta"):
        embedder = load_embedder(backbone, embedding="last", px=64)
        order = running_order(export_graph(embedder, px=64).graph)
    network = embedder.trunk.network
    trainable = set(find_part(point, network, order).trainable)
    sizes = {name: value.numel() for name, value in network.named_parameters() if name in order.parameters}
    return {name: (size, name in trainable) for name, size in sizes.items()}


def test_the_small_cnn_has_its_parameters(tmp_path: Path) -> None:
    network = cut(find_random("cnn:16-32-64", "512", cache_dir=tmp_path), "scratch", px=160)
    summary = network.summary([Layer("head", "Linear", (5,), 2565, 0, frozen=False)], lr={})
    counts = {layer.name: layer.parameters for layer in summary.layers}
    assert counts == {
        "blocks.0.conv": 448,
        "blocks.1.conv": 4_640,
        "blocks.2.conv": 18_496,
        "hidden.0.linear": 13_107_712,
        "head": 2_565,
    }
    assert summary.parameters == summary.trainable == 13_133_861 and summary.statistics == 0
    assert summary.layers[2].output == (64, 40, 40) and list(network.blocks)[-1] == "hidden"


def test_vgg16_with_its_own_head_trains_that_alone(tmp_path: Path) -> None:
    counts = count_on_meta(find_random("timm:vgg16", "1000", cache_dir=tmp_path, pool="average"), "layer:hidden")
    head = 1001 * 5
    assert sum(size for size, _ in counts.values()) + head == 15_232_693
    assert sum(size for size, trains in counts.values() if trains) + head == 518_005
    assert sum(size for name, (size, _) in counts.items() if not name.startswith("hidden.")) == 14_714_688


def test_resnet50_from_its_third_stage_on_is_most_of_it(tmp_path: Path) -> None:
    backbone = find_random("timm:resnetv2_50", "32 batchnorm", "32", cache_dir=tmp_path)
    counts = count_on_meta(backbone, "layer:stages.2")
    hidden = [size for name, (size, _) in counts.items() if name.startswith("hidden.")]
    assert [hidden[0] + hidden[1], 2 * (hidden[2] + hidden[3]), hidden[4] + hidden[5]] == [65_568, 128, 1_056]
    assert sum(size for size, _ in counts.values()) - sum(hidden) == 23_500_352
    trained = sum(size for size, trains in counts.values() if trains) + 165
    assert trained / (sum(size for size, _ in counts.values()) + 165) == pytest.approx(0.939, abs=0.001)


@pytest.mark.slow
def test_densenet_121_is_that_of_torchvision(tmp_path: Path) -> None:
    assert count_parameters(DENSENET_121) == 7_978_856
    counts = count_on_meta(find_random(DENSENET_121, cache_dir=tmp_path), "all")
    assert sum(size for size, _ in counts.values()) == 6_953_856


def test_old_and_new_names_of_a_densenet_are_loaded(tmp_path: Path) -> None:
    name = f"densenet:{json.dumps(SMALL)}"
    random = load_embedder(find_random(name, cache_dir=tmp_path), px=64, scratch=5)
    tensors = random.trunk.network.state_dict()
    old = {key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): each for key, each in tensors.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    for file, found in ((tmp_path / "new.pth", tensors), (tmp_path / "old.pth", old)):
        torch.save(found, file)
        loaded = load_embedder(find_backbone(name, weights=file, cache_dir=tmp_path), px=64)
        assert torch.equal(embed(loaded), embed(random))
    torch.save({key: each for key, each in tensors.items() if "denseblock2" not in key}, tmp_path / "less.pth")
    with pytest.raises(ModelError, match=r"do not fit densenet-2-3: features\.denseblock2.* is missing"):
        load_embedder(find_backbone(name, weights=tmp_path / "less.pth", cache_dir=tmp_path), px=64)


@pytest.mark.parametrize("name", ["cnn:4-8", "autoencoder:4x1", "autoencoder:4x1-instance"])
def test_own_networks_are_cut_and_exported_like_any_other(name: str, tmp_path: Path) -> None:
    from photograft.models.onnx_export import export_onnx

    embedder = load_embedder(find_random(name, cache_dir=tmp_path), embedding="multi", px=64)
    outputs = export_onnx(embedder, tmp_path / "network.onnx", px=64)
    plain = name == "cnn:4-8"
    assert outputs.last == (8 * 16 * 16 if plain else 16) and len(outputs.stages) >= 1
    assert outputs.feature_map == (8 if plain else 16, 16, 16)
    network = graft(embedder, "last-block", px=64, batchnorm="frozen")
    assert network.front is not None and list(network.blocks) == ["blocks.1.conv" if plain else "residual"]


def test_random_weights_are_the_same_in_every_process_save_from_scratch(tmp_path: Path) -> None:
    backbone = find_random("cnn:4-8", "4", cache_dir=tmp_path)
    torch.manual_seed(1)
    first = load_embedder(backbone, px=64)
    torch.manual_seed(2)
    assert torch.equal(embed(load_embedder(backbone, px=64)), embed(first))
    other = load_embedder(backbone, px=64, seed=1).trunk.network
    assert torch.equal(other.blocks[0].conv.weight, first.trunk.network.blocks[0].conv.weight)
    assert not torch.equal(other.hidden[0].linear.weight, first.trunk.network.hidden[0].linear.weight)
    scratch = load_embedder(backbone, px=64, scratch=1).trunk.network
    assert not torch.equal(scratch.blocks[0].conv.weight, first.trunk.network.blocks[0].conv.weight)


def test_at_the_head_the_whole_network_is_the_front(tmp_path: Path) -> None:
    embedder = load_embedder(find_random("timm:test_resnet", cache_dir=tmp_path), embedding="last", px=64)
    network = graft(embedder, "head", px=64, batchnorm="frozen")
    assert network.front is not None and network.cut == "head" and not network.blocks
    assert [value.shape for value in network.boundary] == [(96,)] and not [*network.tail.parameters()]
    with torch.no_grad():
        (values_ND,) = network.front(pixels(64))
        assert torch.equal(values_ND, embed(embedder)) and torch.equal(network.tail(values_ND), values_ND)
    network.set_moving(True)
    assert torch.equal(network.tail(values_ND), values_ND)
    assert set(network.state()) == set(embedder.trunk.network.state_dict())
    assert network.summary((), lr={}).trainable == 0 and not network.trains_hidden_batchnorm


@pytest.mark.parametrize("name", ["cnn:4-8", "timm:test_vit", "torchvision:squeezenet1_1"])
def test_hidden_layers_alone_train_on_every_kind_of_network(name: str, tmp_path: Path) -> None:
    px = 160 if "vit" in name else 64
    backbone = find_random(name, "8 batchnorm", "4", cache_dir=tmp_path)
    plain = load_embedder(find_random(name, cache_dir=tmp_path), embedding="last", px=px)
    network = cut(backbone, "layer:hidden", px=px, dropout=0.5)
    assert network.front is not None and list(network.blocks) == ["hidden"] and len(network.boundary) == 1
    assert network.boundary[0].shape == (measure_outputs(plain.trunk, px=px).last,)
    with torch.no_grad():
        values_ND = network.front(pixels(px))[0]
        assert torch.equal(values_ND, embed(plain, px))
        still = network.tail(values_ND)
        network.set_moving(True)
        moving = [network.tail(values_ND) for _ in range(8)]
        network.set_moving(False)
        after = network.tail(values_ND)
    assert still.shape == (4, 4) and any(not torch.equal(moving[0], each) for each in moving)
    assert not torch.equal(still, after) and torch.equal(after, network.tail(values_ND))
    assert network.trains_hidden_batchnorm
    assert float(network.state()["hidden.0.batchnorm.running_mean"].abs().max()) > 0


def test_dropout_inside_a_network_acts_in_training_behind_the_cut(tmp_path: Path) -> None:
    name = f"densenet:{json.dumps(SMALL | {'drop_rate': 0.5})}"
    network = cut(find_random(name, cache_dir=tmp_path), "layer:features.denseblock2.denselayer3")
    assert network.front is not None
    targets = [[str(node.target) for node in part.graph.nodes] for part in (network.front, network.tail)]
    assert [each.count("aten.dropout.default") for each in targets] == [4, 1]
    values = network.front(pixels(64))
    still = network.tail(*values)
    network.set_moving(True)
    assert not torch.equal(network.tail(*values), still)
    network.set_moving(False)
    assert torch.equal(network.tail(*values), still)


def test_a_run_gives_back_its_hidden_layers(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    sizes = ("model.backbone=cnn:4-8", "model.hidden=[8 batchnorm,4]", "input.px=64")
    run = make_run(tmp_path / "run", *sizes, tuned=True)
    network = cut(find_random("cnn:4-8", "8 batchnorm", "4", cache_dir=tmp_path), "all", seed=3)
    with torch.no_grad():
        for parameter in network.tail.parameters():
            parameter.add_(0.01)
    save_file(network.state(), run / "network.safetensors")
    backbone = find_backbone(f"run:{run}", cache_dir=tmp_path)
    again = load_embedder(backbone, embedding="last", px=64, seed=4)
    with torch.no_grad():
        assert torch.equal(embed(again), network.tail(pixels(64)))
    assert list(cut(backbone, "layer:hidden.1").blocks) == ["hidden"]
    assert cut(backbone, "head").boundary[0].shape == (4,)
    with pytest.raises(ModelError, match=r"hidden layers of run:run do not fit .*another input\.px"):
        load_embedder(backbone, px=96)


def test_hidden_layers_behind_a_run_without_any_are_new(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    run = make_run(tmp_path / "run", "model.backbone=cnn:4-8", "input.px=64", tuned=True)
    save_file(cut(find_random("cnn:4-8", cache_dir=tmp_path), "all").state(), run / "network.safetensors")
    backbone = find_backbone(f"run:{run}", cache_dir=tmp_path).with_hidden(("8", "4"))
    first, second = (embed(load_embedder(backbone, embedding="last", px=64, seed=seed)) for seed in (0, 1))
    assert first.shape[1] == 4
    assert not torch.equal(first, second)


def test_hidden_layers_with_random_weights_are_not_frozen(tmp_path: Path) -> None:
    backbone = find_random("cnn:4-8", "8", "4", cache_dir=tmp_path)
    for point in ("head", "layer:hidden.1"):
        with pytest.raises(ConfigError, match=rf"model\.graft: {point} would freeze .*; layer:hidden trains them"):
            cut(backbone, point)
    assert list(cut(backbone, "last-block").blocks) == ["blocks.1.conv", "hidden"]


def test_the_mean_of_the_last_map_stands_for_the_network_s_own_end(tmp_path: Path) -> None:
    for name, n in (("torchvision:squeezenet1_1", 512), ("cnn:4-8", 8), ("timm:test_efficientnet", 256)):
        embedder = load_embedder(find_random(name, cache_dir=tmp_path, pool="average"), embedding="last", px=64)
        with torch.no_grad():
            values_ND, map_NChw = embedder(pixels(64))
        assert values_ND.shape == (4, n)
        np.testing.assert_allclose(values_ND, map_NChw.mean((2, 3)), atol=1e-6)
    with pytest.raises(ConfigError, match=r"model\.pool: this network has no last feature map"):
        embed(load_embedder(find_random("timm:test_vit", cache_dir=tmp_path, pool="average"), px=160), 160)


@pytest.mark.parametrize(
    "names",
    [
        "timm:resnet50 timm:inception_v3 timm:mobilenetv3_large_100 timm:efficientnet_b4 timm:mixnet_s",
        "torchvision:alexnet torchvision:squeezenet1_0 torchvision:vgg16 torchvision:densenet161 "
        "torchvision:inception_v3 torchvision:googlenet torchvision:shufflenet_v2_x1_0 torchvision:mobilenet_v2 "
        "torchvision:resnext50_32x4d torchvision:wide_resnet50_2 torchvision:mnasnet1_0 torchvision:resnet18",
    ],
)
def test_networks_that_people_ask_for_resolve_and_build(names: str) -> None:
    for name in names.split():
        assert describe(name, count=False).name == name
        with torch.device("meta"):
            assert sum(each.numel() for each in build_network(name).parameters()) > 1_000_000
