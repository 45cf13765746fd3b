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
