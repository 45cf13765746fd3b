"""Runs that fine-tune a network of a third of a million random weights, which takes two seconds."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.workflow.tuned import Tuning
from threadpoolctl import threadpool_limits

from photograft.workflow.train import TrainedRun, train


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As many threads as the processes have that the tests start: sums depend on them."""
    torch = sys.modules.get("torch")
    before = 0 if torch is None else torch.get_num_threads()
    if torch is not None:
        torch.set_num_threads(1)
    with threadpool_limits(1):  # of NumPy, for the linear head
        yield
    if torch is not None:
        torch.set_num_threads(before)


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
        torch.set_num_threads(1)
        tensors = build_network("timm:test_resnet").state_dict().items()
        save_file({key: value.contiguous() for key, value in tensors}, folder / "무작위.safetensors")
    return Tuning(make_photo_folder(folder / "나의 사진", n=16), folder / "무작위.safetensors")


@pytest.fixture(scope="session")
def unbroken(tuning: Tuning, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """A run that nothing stopped, shared by all tests."""
    with threadpool_limits(1):
        return train(tuning.photos, config=tuning.config(), runs_dir=tmp_path_factory.mktemp("unbroken") / "runs 1")
