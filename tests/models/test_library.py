from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photograft.errors import ConfigError, ModelError

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("torchvision")

from safetensors.torch import save_file  # noqa: E402

from photograft.models.backbone import load_embedder, measure_outputs, untrained_embedder  # noqa: E402
from photograft.models.catalogue import library_backbone  # noqa: E402
from photograft.models.library import build_network, describe, list_names  # noqa: E402
from photograft.models.networks import Outputs  # noqa: E402
from photograft.models.trunks import choose_stages  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch and timm, about themselves


def saved(name: str, folder: Path, **changes: Any) -> Path:
    torch.manual_seed(0)
    tensors = {**build_network(name).state_dict(), **changes}
    file = folder / "random.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items() if value is not None}, file)
    return file


def test_facts_of_timm() -> None:
    facts = describe("timm:test_vit")
    assert (facts.px, facts.fixed, facts.mean, facts.licence) == (160, True, (0.5, 0.5, 0.5), "apache-2.0")
    assert facts.parameters == 371_240 and facts.interpolation == "bicubic"
    assert facts.hub == "timm/test_vit.r160_in1k" and facts.hub_files[0] == "model.safetensors"
    other = describe("timm:resnet18.tv_in1k")
    assert other.hub == "timm/resnet18.tv_in1k" and other.torch_file == "resnet18-f37072fd.pth"


def test_facts_of_torchvision() -> None:
    facts = describe("torchvision:resnet18")
    assert (facts.px, facts.fixed, facts.torch_file) == (224, False, "resnet18-f37072fd.pth")
    assert facts.mean == (0.485, 0.456, 0.406) and facts.std == (0.229, 0.224, 0.225)
    assert describe("torchvision:vit_b_16", count=False).fixed


def test_weights_are_found_in_the_hub_cache_and_in_the_folder_of_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    facts = describe("timm:resnet18.tv_in1k", count=False)
    assert facts.find_weights() is None
    said = facts.how_to_get_weights()
    for part in ("model.safetensors", "model.weights=FILE", "resnet18-f37072fd.pth", str(tmp_path)):
        assert part in said
    in_torch = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    in_torch.parent.mkdir(parents=True)
    in_torch.touch()
    assert facts.find_weights() == in_torch
    in_hub = tmp_path / "hub" / "models--timm--resnet18.tv_in1k" / "snapshots" / ("0" * 40) / "model.safetensors"
    for file, content in ((in_hub, ""), (in_hub.parents[2] / "refs" / "main", "0" * 40)):
        file.parent.mkdir(parents=True)
        file.write_text(content)
    assert facts.find_weights() == in_hub


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("timm:resnett18", "timm:resnet18"),
        ("torchvision:resnet51", "torchvision:resnet50"),
        ("resnet50", "timm:resnet50 or torchvision:resnet50"),
        ("efficientnet-lite3", "efficientnet-lite2"),
        ("timm:resnet18.a4_in1k", "timm:resnet18.a1_in1k"),
        ("keras:resnet50", "timm:resnet50 or torchvision:resnet50"),
        ("timm:x", "backbones list FILTER"),
    ],
)
def test_unknown_names_lead_to_those_that_work(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        describe(name)


def test_names_are_listed_by_part_and_by_pattern() -> None:
    assert "timm:resnet18" in list_names("resnet18") and "torchvision:resnet18" in list_names("resnet18")
    assert list_names("timm:test_vi*3") == ["timm:test_vit3"]
    assert len(list_names()) > 1000 and list_names("no such") == []


@pytest.mark.parametrize(
    ("name", "px", "outputs"),
    [
        ("efficientnet-lite0", 330, Outputs(2128, 1280, ("2", "3", "4", "5"), (1280, 11, 11))),
        ("efficientnet-lite2", 64, Outputs(2208, 1280, ("2", "3", "4", "5"), (1280, 2, 2))),
        ("timm:test_vit", 160, Outputs(576, 64, ("0", "1", "3", "4"), None)),
        ("timm:test_resnet", 64, Outputs(576, 96, ("2", "3"), (96, 2, 2))),
        ("timm:test_efficientnet", 96, Outputs(416, 256, ("2", "3"), (256, 3, 3))),
        ("timm:test_mambaout", 64, Outputs(416, 256, ("1", "2"), (64, 2, 2))),  # channels last inside
        ("torchvision:resnet18", 64, Outputs(1280, 512, ("layer2", "layer3"), (512, 2, 2))),
        ("torchvision:squeezenet1_1", 64, Outputs(1024, 512, ("features.7",), (512, 3, 3))),
        ("torchvision:swin_t", 64, Outputs(1920, 768, ("features.3", "features.5"), (768, 2, 2))),
    ],
)
def test_what_networks_give(name: str, px: int, outputs: Outputs) -> None:
    assert measure_outputs(untrained_embedder(name, px=px).trunk, px=px) == outputs


def test_stages_are_those_in_the_middle() -> None:
    assert choose_stages([112, 56, 28, 14, 7], 224) == [2, 3]
    assert choose_stages([14] * 12, 224) == [2, 5, 7, 10]
    assert choose_stages([32, 16], 64) == [0]
    assert choose_stages([7], 224) == []


@pytest.mark.parametrize("name", ["timm:test_resnet", "torchvision:resnet18"])
def test_the_embedding_is_that_of_the_network_on_normalised_pixels(name: str, tmp_path: Path) -> None:
    facts = describe(name)
    file = saved(name, tmp_path)
    embedder = load_embedder(library_backbone(facts, file), px=64)
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    scaled = (pixels_NHWC / 255 - np.array(facts.mean)) / np.array(facts.std)
    x = torch.from_numpy(scaled.transpose(0, 3, 1, 2)).float()
    torch.manual_seed(0)
    network = build_network(name).eval()
    with torch.no_grad():
        embedding, feature_map = embedder(torch.from_numpy(pixels_NHWC))
        start = (
            network.maxpool(network.act1(network.bn1(network.conv1(x))))
            if "timm" in name
            else network.maxpool(network.relu(network.bn1(network.conv1(x))))
        )
        layer2 = network.layer2(network.layer1(start))
        layer3 = network.layer3(layer2)
        layer4 = network.layer4(layer3)
    pooled = [each for layer in (layer2, layer3) for each in (layer.mean((2, 3)), layer.amax((2, 3)))]
    wanted = torch.cat([*pooled, layer4.mean((2, 3))], 1)
    assert torch.allclose(embedding, wanted, atol=1e-4) and torch.allclose(feature_map, layer4, atol=1e-4)
    assert not any(each.requires_grad for each in embedder.parameters()) and not embedder.training


def test_weights_in_the_layout_of_their_authors_are_renamed_by_timm(tmp_path: Path) -> None:
    plain = build_network("timm:test_vit").state_dict()["patch_embed.proj.weight"]
    file = saved("timm:test_vit", tmp_path, **{"patch_embed.proj.weight": torch.ones(plain.shape).flatten(1)})
    embedder = load_embedder(library_backbone(describe("timm:test_vit"), file))
    assert torch.equal(embedder.trunk.network.patch_embed.proj.weight, torch.ones(plain.shape))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = saved("timm:test_efficientnet", tmp_path)
    with pytest.raises(ModelError, match=r"do not fit timm:test_resnet: conv1.*is missing.*more"):
        load_embedder(library_backbone(describe("timm:test_resnet"), file))


def test_another_file_is_another_network(tmp_path: Path) -> None:
    facts, file = describe("timm:test_resnet"), saved("timm:test_resnet", tmp_path)
    copy = Path(shutil.copyfile(file, tmp_path / "copy.safetensors"))
    other = saved("timm:test_resnet", tmp_path, **{"fc.bias": torch.zeros(1000)})
    first, second = library_backbone(facts, copy), library_backbone(facts, other)
    ids = [each.network_id(px=64, embedding="multi") for each in (first, second)]
    assert ids[0] != ids[1] and first.file_name == "timm-test_resnet"
