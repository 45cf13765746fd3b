from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photograft.models.catalogue import find_backbone
from photograft.models.networks import network_file
from photograft.tracking.cache import cache_folder
from photograft.workflow.train import TrainedRun


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch, about itself
def test_the_exported_network_equals_torch(tiny_run: TrainedRun) -> None:
    torch = pytest.importorskip("torch")
    onnxruntime = pytest.importorskip("onnxruntime")
    from photograft.models.backbone import load_embedder

    backbone = find_backbone("efficientnet-lite0")
    file: Path = network_file(backbone, px=64, embedding="multi", cache_dir=cache_folder())
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    pixels_NHWC = np.random.default_rng(5).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    embedder = load_embedder(backbone)
    assert not embedder.training and not any(p.requires_grad for p in embedder.parameters())
    with torch.no_grad():
        wanted = [t.numpy() for t in embedder(torch.from_numpy(pixels_NHWC))]
    found = session.run(["embedding", "feature_map"], {"pixels": pixels_NHWC})
    for want, got, shape in zip(wanted, found, [(5, 2128), (5, 1280, 2, 2)], strict=True):
        assert got.shape == shape and np.abs(want - got).max() <= 1e-4


@pytest.mark.filterwarnings("ignore")  # of torch, about itself
@pytest.mark.parametrize("frozen_too", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_stack_of_states_runs_equal_layers_once(tmp_path: Path, frozen_too: bool) -> None:
    torch = pytest.importorskip("torch")
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    import copy

    from photograft.models.backbone import Stack, untrained_embedder
    from photograft.models.onnx_export import export_stack

    torch.manual_seed(0)
    pretrained = untrained_embedder("timm:test_resnet", px=64)
    tuned = [copy.deepcopy(pretrained) for _ in range(2 if frozen_too else 3)]
    with torch.no_grad():
        for each in tuned:
            for parameter in each.trunk.network.layer4.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    frozen = pretrained if frozen_too else None
    states = [pretrained, *tuned] if frozen_too else tuned
    outputs = export_stack(Stack(frozen, tuned), tmp_path / "stack.onnx", px=64)
    convolutions = [
        name.startswith("layer4")
        for name, module in pretrained.trunk.network.named_modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    # Nothing of this machine: the same network is the same file on another one.
    assert b".py" not in (tmp_path / "stack.onnx").read_bytes()
    graph = onnx.load(tmp_path / "stack.onnx").graph
    # What lies before the tuned layers is there once, with its weights; what is tuned once per state.
    assert sum(node.op_type == "Conv" for node in graph.node) == len(convolutions) + 2 * sum(convolutions)
    n_weights = sum(int(np.prod(each.dims)) for each in graph.initializer)
    n_tuned = sum(p.numel() for p in pretrained.trunk.network.layer4.parameters())
    n_trunk = sum(p.numel() for name, p in pretrained.trunk.network.named_parameters() if not name.startswith("fc"))
    assert n_weights < 1.02 * (n_trunk + 2 * n_tuned)
    pixels_NHWC = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(tmp_path / "stack.onnx", providers=["CPUExecutionProvider"])
    embedding_ND, map_NCHW = session.run(["embedding", "feature_map"], {"pixels": pixels_NHWC})
    with torch.no_grad():
        wanted = [[part.numpy() for part in each(torch.from_numpy(pixels_NHWC))] for each in states]
    assert (outputs.embedding, outputs.last) == (embedding_ND.shape[1], len(tuned) * wanted[0][0].shape[1])
    assert np.abs(embedding_ND - np.concatenate([each[0] for each in wanted], axis=1)).max() <= 1e-5
    assert np.abs(map_NCHW - np.concatenate([each[1] for each in wanted[-len(tuned) :]], axis=1)).max() <= 1e-5
    assert map_NCHW.shape[1:] == outputs.feature_map
    assert np.abs(wanted[0][0] - wanted[1][0]).max() > 1e-3
