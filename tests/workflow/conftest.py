"""Runs that fine-tune a network of a third of a million random weights, which takes two seconds."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workflow.tuned import Tuning

from photograft.workflow.train import TrainedRun, train


@pytest.fixture(scope="session")
def tuning(
    tiny_config: object, make_photo_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Tuning:
    """Photos, and settings to fine-tune on them for two epochs of three steps. Copy the photos to change them."""
    folder = tmp_path_factory.mktemp("tuning")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch and timm, about themselves
        import torch
        from safetensors.torch import save_file

        from photograft.models.library import build_network

        torch.manual_seed(0)
        tensors = build_network("timm:test_resnet").state_dict().items()
        save_file({key: value.contiguous() for key, value in tensors}, folder / "무작위.safetensors")
    return Tuning(make_photo_folder(folder / "나의 사진", n=16), folder / "무작위.safetensors")


@pytest.fixture(scope="session")
def unbroken(tuning: Tuning, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """A run that nothing stopped, shared by all tests."""
    return train(tuning.photos, config=tuning.config(), runs_dir=tmp_path_factory.mktemp("unbroken") / "runs 1")
