from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from photograft.errors import ConfigError
from photograft.values import Layer

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("torchvision")

from photograft.models.backbone import load_embedder, untrained_embedder  # noqa: E402
from photograft.models.catalogue import find_backbone  # noqa: E402
from photograft.models.graft import Graft, graft, graft_points  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch and timm, about themselves


def random_pixels(px: int, *, n: int = 3, seed: int = 0) -> Any:
    return torch.randint(0, 256, (n, px, px, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def cut_values(cut: Graft, pixels_NHWC: Any) -> tuple[Any, ...]:
    with torch.no_grad():
        return (pixels_NHWC,) if cut.front is None else tuple(cut.front(pixels_NHWC))


def trainable_names(cut: Graft) -> list[str]:
    return [name for names in cut.blocks.values() for name in names]


@pytest.mark.parametrize(
    ("name", "px", "point", "boundary"),
    [
        ("efficientnet-lite0", 64, "blocks:2", [(112, 4, 4), (40,), (40,), (80,), (80,), (112,), (112,)]),
        ("efficientnet-lite0", 64, "layer:blocks.4.1.conv_dw", [(112, 4, 4), (672, 4, 4), (40,), (40,), (80,), (80,)]),
        ("timm:test_vit", 160, "layer:blocks.2.attn.proj", [(101, 64), (101, 64), (64,), (64,), (64,), (64,)]),
        ("timm:test_vit", 160, "all", [(160, 160, 3)]),
        ("timm:test_resnet", 64, "layer:layer3.0.bn2", [(48, 4, 4), (48, 4, 4), (48,), (48,)]),
        ("timm:test_efficientnet", 64, "last-block", [(48, 4, 4), (32,), (32,), (48,), (48,)]),
        ("torchvision:resnet18", 64, "layer:layer3.0.downsample", [(128, 8, 8), (256, 4, 4), (128,), (128,)]),
        pytest.param(
            *("torchvision:densenet121", 64, "layer:features.denseblock4.denselayer2"),
            [(512, 2, 2), (32, 2, 2), (544, 2, 2), (512,), (512,), (1024,), (1024,)],
            marks=pytest.mark.slow,
        ),
        # Windows: each photo is four of them.
        pytest.param(
            *("torchvision:swin_t", 112, "layer:features.3.1.attn.proj", [(14, 14, 192), (4, 49, 192)]),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_parts_give_what_the_whole_gives_bit_for_bit(
    name: str, px: int, point: str, boundary: list[tuple[int, ...]]
) -> None:
    torch.manual_seed(0)
    embedder = untrained_embedder(name, px=px)
    cut = graft(embedder, point, px=px, batchnorm="frozen")
    pixels_NHWC = random_pixels(px)
    with torch.no_grad():
        wanted_ND = embedder(pixels_NHWC)[0]
        found_ND = cut.tail(*cut_values(cut, pixels_NHWC))
    assert torch.equal(found_ND, wanted_ND)
    assert [value.shape for value in cut.boundary] == boundary
    assert [tuple(value.shape[1:]) for value in cut_values(cut, pixels_NHWC)] == [v.shape for v in cut.boundary]
    assert len({value.name for value in cut.boundary}) == len(cut.boundary)


def test_exactly_what_follows_the_cut_learns() -> None:
    cut = graft(untrained_embedder("timm:test_resnet", px=64), "layer:layer4", px=64, batchnorm="frozen")
    assert cut.cut == "layer4" and list(cut.blocks) == ["layer4"]
    cut.tail(*cut_values(cut, random_pixels(64))).sum().backward()
    learned = {name for name, parameter in cut.tail.named_parameters() if parameter.grad is not None}
    assert learned == set(trainable_names(cut))
    assert all(name.startswith("trunk.network.layer4.") for name in learned)
    assert cut.front is not None and not any(each.requires_grad for each in cut.front.parameters())


def test_maps_may_lie_with_their_channels_last_and_in_half_precision() -> None:
    for name, px in (("timm:test_vit", 160), ("timm:test_efficientnet", 64)):
        cut = graft(untrained_embedder(name, px=px), "last-block", px=px, batchnorm="frozen")
        values = cut_values(cut, random_pixels(px))
        with torch.no_grad():
            wanted_ND = cut.tail(*values)
            cut.tail.to(memory_format=torch.channels_last)
            turned = [v.contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v for v in values]
            assert torch.allclose(cut.tail(*turned), wanted_ND, rtol=1e-4, atol=1e-4)
            with torch.autocast("cpu", torch.bfloat16):
                assert torch.isfinite(cut.tail(*turned)).all()


@pytest.mark.parametrize("batchnorm", ["frozen", "moved"])
def test_statistics_move_only_where_they_are_asked_to(batchnorm: Any) -> None:
    embedder = untrained_embedder("timm:test_resnet", px=64)
    cut = graft(embedder, "last-block", px=64, batchnorm=batchnorm)
    values = cut_values(cut, random_pixels(64))
    before = cut.state()
    still_ND = cut.tail(*values).detach()
    cut.set_moving(True)
    moving_ND = cut.tail(*values).detach()
    cut.set_moving(False)
    after = cut.state()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    wanted = {name for name in after if name.startswith("layer4") and "running_" in name}
    assert changed == (wanted if batchnorm == "moved" else set())
    assert torch.equal(still_ND, moving_ND) == (batchnorm == "frozen")
    with torch.no_grad():
        assert torch.equal(cut.tail(*values), embedder(random_pixels(64))[0])


def test_the_state_is_the_whole_network_with_what_was_tuned() -> None:
    embedder = untrained_embedder("timm:test_vit", px=160)
    cut = graft(embedder, "last-block", px=160, batchnorm="frozen")
    before = cut.state()
    assert set(before) == set(embedder.trunk.network.state_dict())
    tuned = copy.deepcopy(cut.tail)
    with torch.no_grad():
        for _, parameter in tuned.named_parameters():
            parameter.add_(parameter.requires_grad * 1.0)
    cut.tail.load_state_dict(tuned.state_dict())
    after = cut.state()
    changed = {f"trunk.network.{name}" for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == set(trainable_names(cut))
    assert all(value.is_contiguous() and not value.requires_grad for value in after.values())


def test_the_summary_counts_every_layer_that_the_embedding_needs() -> None:
    embedder = untrained_embedder("efficientnet-lite0", px=64)
    cut = graft(embedder, "blocks:2", px=64, batchnorm="frozen")
    head = Layer("head", "Linear", (3,), 2128 * 3 + 3, 0, False, 1e-3)
    summary = cut.summary([head], lr={"blocks.5": 1e-4, "blocks.6": 2e-4})
    assert (summary.graft, summary.cut, summary.batchnorm) == ("blocks:2", "blocks.5", "frozen")
    network = embedder.trunk.network
    classifier = sum(each.numel() for each in network.classifier.parameters())
    assert summary.parameters - head.parameters == sum(each.numel() for each in network.parameters()) - classifier
    assert summary.trainable - head.parameters == 2_670_240
    averages = [value.numel() for name, value in network.named_buffers() if "running_" in name]
    assert sum(layer.statistics for layer in summary.layers) == sum(averages)
    first, last = summary.layers[0], summary.layers[-2]
    assert first == Layer("conv_stem", "Conv2dSame", (32, 32, 32), 864, 0, True, None)
    assert last == Layer("bn2", "BatchNormAct2d", (1280, 2, 2), 2560, 2560, False, 2e-4)
    assert summary.layers[-1] == head
    by_name = {layer.name: layer for layer in summary.layers}
    assert by_name["blocks.4.2.bn3"].frozen and by_name["blocks.5.0.conv_pw"].lr == 1e-4


def test_parameters_of_the_network_itself_are_layers() -> None:
    cut = graft(untrained_embedder("timm:test_vit", px=160), "all", px=160, batchnorm="frozen")
    assert cut.cut == "" and list(cut.blocks)[:2] == ["stem", "blocks.0"]
    layers = {layer.name: layer for layer in cut.summary((), lr={}).layers}
    assert layers["cls_token"] == Layer("cls_token", "Parameter", (1, 1, 64), 64, 0, False, None)


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ("blocks:6", r"5 blocks \(conv1, layer1.*not 6.*blocks:5"),
        ("layer:layer4.0.conv3", r"no layer 'layer4\.0\.conv3'.*mean layer:layer4\.0\.conv[12].*backbones show"),
        ("layer:fc", "layer fc .* not used"),
        ("layer:global_pool", "nothing with weights follows layer global_pool"),
    ],
)
def test_a_point_that_is_not_there_leads_to_those_that_are(point: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        graft(untrained_embedder("timm:test_resnet", px=64), point, px=64, batchnorm="frozen")


def test_layers_without_weights_are_points_too() -> None:
    cut = graft(untrained_embedder("timm:test_resnet", px=64), "layer:layer4.0.act1", px=64, batchnorm="frozen")
    assert cut.cut == "layer4.0.act1" and trainable_names(cut)[0] == "trunk.network.layer4.0.conv2.weight"


def test_the_points_of_a_network_are_listed() -> None:
    points, layers = graft_points(untrained_embedder("torchvision:resnet18", px=64), px=64)
    listed = [(point.point, point.cut) for point in points]
    assert listed == [
        ("head", "head"),
        ("last-block", "layer4"),
        *((f"blocks:{i}", f"layer{5 - i}") for i in (2, 3, 4)),
        ("all", ""),
    ]
    assert points[0].parameters == 0 and points[-1].fraction == 1 and points[-1].parameters == 11_176_512
    assert layers.index("layer2.0.conv1") < layers.index("layer3") and "fc" not in layers


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("timm:test_vit", [f"blocks.{i}" for i in range(6)]),
        ("torchvision:alexnet", [f"features.{i}" for i in (0, 3, 6, 8, 10)] + ["classifier.1", "classifier.4"]),
    ],
)
def test_blocks_are_found_in_networks_of_any_build(name: str, blocks: list[str]) -> None:
    px = 160 if "vit" in name else 64
    cut = graft(untrained_embedder(name, px=px), "all", px=px, batchnorm="frozen")
    assert [block for block in cut.blocks if block != "stem"] == blocks


def test_scratch_begins_with_the_random_weights_of_its_library(tmp_path: Path) -> None:
    backbone = find_backbone("efficientnet-lite0")
    first, again, other = (load_embedder(backbone, px=64, scratch=seed).state_dict() for seed in (1, 1, 2))
    trained = load_embedder(backbone, px=64).state_dict()
    name = "trunk.network.conv_stem.weight"
    assert torch.equal(first[name], again[name]) and not torch.equal(first[name], other[name])
    assert not torch.equal(first[name], trained[name])
