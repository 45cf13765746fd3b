"""Weights of a file into a network: whatever they are wrapped in, every tensor must fit by name and shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from photograft.errors import ModelError

_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")
_PREFIXES = ("module.", "backbone.")
_SHOWN = 10

Tensors = dict[str, torch.Tensor]


def read_weights(path: Path) -> Tensors:
    """Tensors by name, from safetensors or from what torch saves. A file cannot run code: `weights_only`."""
    try:
        found = load_file(path) if path.suffix == ".safetensors" else _read_torch(path)
    except Exception as error:  # both readers raise anything on what is not theirs
        first = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{path} holds no weights that can be read: {first} (.safetensors, or .pth and .pt with tensors alone)"
        ) from error
    while wrapper := next((key for key in _WRAPPERS if isinstance(found.get(key), dict)), None):
        found = found[wrapper]
    tensors = {str(key): value for key, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ModelError(f"{path} holds no tensors by name: save network.state_dict() into it.")
    return tensors


def load_weights(
    network: torch.nn.Module,
    path: Path,
    *,
    name: str,
    heads: Sequence[str],
    convert: Callable[[Tensors], Tensors] | None = None,
) -> None:
    """Load a file into the network.

    The heads (names of modules) are not used: those of the file are dropped where they have another number of classes
    or none. `convert` turns tensors in a layout of other authors into the network's; it is asked when nothing else
    fits, and may raise what it likes.

    Raises:
        ModelError: tensors are missing or have other shapes; the first ten are named.
    """
    target = network.state_dict()
    found = _without_prefixes(read_weights(path), target)
    problems = _problems(found, target, heads)
    if problems and convert is not None:
        try:
            found = convert(dict(found))
        except Exception:  # the converters of a library raise anything on what is not theirs
            found = {}
        if not _problems(found, target, heads):
            problems = []
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ModelError(f"The weights in {path} do not fit {name}: {'; '.join(problems[:_SHOWN])}{more}.")
    # Updated in place: the dictionary carries versions of layouts beside the tensors.
    target.update({key: value for key, value in found.items() if key in target and value.shape == target[key].shape})
    network.load_state_dict(target)


def rename_dense_layers(tensors: Tensors) -> Tensors:
    """Tensors of a DenseNet under today's names: `denselayer1.norm.1.weight`, of old files, is `norm1.weight`."""
    return {re.sub(r"(\.denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key): tensors[key] for key in tensors}


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    found = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(found, dict):
        raise ValueError(f"it holds a {type(found).__name__}, not tensors by name")
    return found


def _without_prefixes(found: Tensors, target: Tensors) -> Tensors:
    for prefix in _PREFIXES:
        if not any(key.startswith(prefix) for key in target):
            found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def _problems(found: Tensors, target: Tensors, heads: Sequence[str]) -> list[str]:
    """What is missing or of another shape, beside heads and counters of batches, which prediction does not use."""
    problems = []
    for key, like in target.items():
        if key.endswith("num_batches_tracked") or any(key.startswith(f"{head}.") for head in heads):
            continue
        if key not in found:
            problems.append(f"{key} is missing")
        elif found[key].shape != like.shape:
            problems.append(f"{key} is {tuple(found[key].shape)}, not {tuple(like.shape)}")
    return problems
