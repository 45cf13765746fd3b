"""Checkpoints: whole or not there, the newest good one loads."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from photograft.errors import ModelError
from photograft.training import checkpoint
from photograft.training.checkpoint import load_checkpoint, save_checkpoint

TENSORS = {
    "weight": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "layout": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "step": torch.tensor(3.0),
    "count": torch.tensor(5),
    "half": torch.ones(3, dtype=torch.float16),
    "brain": torch.ones(3, dtype=torch.bfloat16),
    "flags": torch.tensor([True, False]),
    "none": torch.zeros(0, 4),
}
INFO = {"step": 3, "loss": 0.1 + 0.2, "name": "폴드 1", "records": [None, [1, 2.5]]}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "체크 포인트", TENSORS, INFO, step=3)
    found = load_checkpoint(path.parent)
    assert found is not None
    assert (found.info, found.step, found.damaged) == (INFO, 3, ())
    assert found.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert found.tensors[name].shape == tensor.shape
        assert torch.equal(found.tensors[name], tensor)
    assert torch.equal(load_file(path)["weight"], TENSORS["weight"])


def test_no_folder_and_an_empty_one_hold_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path / "none") is None


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 100_000_000, 3):
        save_checkpoint(tmp_path, TENSORS, INFO, step=step)
    # A later step than the newest is of another past: it was damaged, or it would have been gone on from.
    assert names(tmp_path) == ["step-00000002.safetensors", "step-00000003.safetensors"]


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "header", "info"])
def test_a_damaged_newest_one_falls_back_to_the_one_before(tmp_path: Path, damage: str) -> None:
    save_checkpoint(tmp_path, TENSORS, {"step": 1}, step=1)
    newest = save_checkpoint(tmp_path, TENSORS, {"step": 2}, step=2)
    content = bytearray(newest.read_bytes())
    if damage == "truncate":
        del content[-7:]
    elif damage == "flip":
        content[-20] ^= 1
    elif damage == "empty":
        content.clear()
    elif damage == "header":
        content[3] ^= 255
    else:
        content = bytearray(bytes(content).replace(b'\\"step\\": 2', b'\\"step\\": 7'))
    newest.write_bytes(content)
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.info, found.damaged) == (1, {"step": 1}, (newest.name,))
    save_checkpoint(tmp_path, TENSORS, {"step": 2}, step=2)
    again = load_checkpoint(tmp_path)
    assert again is not None
    assert (again.step, again.damaged) == (2, ())


def test_all_damaged_is_none(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, TENSORS, INFO, step=1).write_bytes(b"nothing")
    assert load_checkpoint(tmp_path) is None


def test_a_file_of_another_kind_is_not_taken(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "step-00000004.safetensors")
    assert load_checkpoint(tmp_path) is None


def test_a_later_format_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_VERSION", 2)
    save_checkpoint(tmp_path, TENSORS, INFO, step=1)
    monkeypatch.undo()
    with pytest.raises(ModelError, match=r"step-00000001.*later release.*format 2"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    save_checkpoint(tmp_path, TENSORS, {"step": 1}, step=1)
    calls = 0

    def fail(tensor: Any) -> memoryview:
        nonlocal calls
        calls += 1
        if calls > len(TENSORS) + after:  # all were read for the digest, some were written
            raise OSError(errno.ENOSPC, "No space left on device")
        return memoryview(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())

    monkeypatch.setattr(checkpoint, "_bytes", fail)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path, TENSORS, {"step": 2}, step=2)
    monkeypatch.undo()
    assert names(tmp_path) == ["step-00000001.safetensors"]
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, TENSORS, INFO, step=1)
    leftover = tmp_path / ".step-00000002.safetensors.abcd.tmp"
    leftover.write_bytes(b"half")
    (tmp_path / "mine.txt").write_text("keep")
    assert load_checkpoint(tmp_path) is not None
    assert names(tmp_path) == ["mine.txt", "step-00000001.safetensors"]


def test_numbers_that_are_not_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(tmp_path, TENSORS, {"loss": float("nan")}, step=1)
    assert names(tmp_path) == []
    assert json.loads(json.dumps(INFO)) == INFO


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
