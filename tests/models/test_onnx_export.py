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
def test_a_pair_runs_equal_layers_once(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    import copy

    from photograft.models.backbone import Pair, untrained_embedder
    from photograft.models.onnx_export import export_onnx, export_pair

    torch.manual_seed(0)
    frozen = untrained_embedder("timm:test_resnet", px=64)
    tuned = copy.deepcopy(frozen)
    with torch.no_grad():
        for parameter in tuned.trunk.network.layer4.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    outputs = export_pair(Pair(frozen, tuned), tmp_path / "pair.onnx", px=64)
    alone = export_onnx(frozen, tmp_path / "alone.onnx", px=64)
    assert (outputs.embedding, outputs.last) == (2 * alone.embedding, alone.embedding)
    convolutions = [
        sum(node.op_type == "Conv" for node in onnx.load(tmp_path / name).graph.node)
        for name in ("alone.onnx", "pair.onnx")
    ]
    assert convolutions[0] < convolutions[1] < 1.4 * convolutions[0]
    pixels_NHWC = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(tmp_path / "pair.onnx", providers=["CPUExecutionProvider"])
    (embedding_ND,) = session.run(["embedding"], {"pixels": pixels_NHWC})
    with torch.no_grad():
        wanted = [each(torch.from_numpy(pixels_NHWC))[0].numpy() for each in (frozen, tuned)]
    assert np.abs(embedding_ND - np.concatenate(wanted, axis=1)).max() <= 1e-4
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3
