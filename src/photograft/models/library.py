"""What timm and torchvision say of their networks: `python -m photograft.models.library NAME` prints it as JSON.

The one place, beside `trunks.py`, that knows how the two describe and build networks.
"""

from __future__ import annotations

import difflib
import fnmatch
import json
import sys
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import timm
import torch
import torchvision
from torch import nn

from photograft.errors import ConfigError, PhotograftError
from photograft.models.architectures import build_own
from photograft.models.catalogue import BACKBONES
from photograft.models.facts import UNKNOWN_LICENCE, Facts
from photograft.models.own_names import FORMS, is_own_name

_SUGGESTIONS = 5
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_TORCH_ENDINGS = (".pth", ".pt", ".tar", ".safetensors")


def list_names(pattern: str = "") -> list[str]:
    """Names of all networks of both libraries that contain `pattern`, or match it where it has a `*`."""
    pattern = pattern if "*" in pattern else f"*{pattern}*"
    return [name for name in _all_names() if fnmatch.fnmatch(name, pattern)]


def describe(name: str, *, count: bool = True) -> Facts:
    """What the library says of `timm:NAME` or `torchvision:NAME`; ConfigError with close spellings where unknown.

    Parameters are counted where `count` is set; else they are None.
    """
    library, _, own = name.partition(":")
    if library == "timm" and timm.is_model(own.partition(".")[0]):
        try:
            config = timm.get_pretrained_cfg(own)
        except RuntimeError as error:  # a known network, and a tag that it has not
            raise ConfigError(_unknown(name)) from error
        return _facts_of_timm(name, config, count=count)
    if library == "torchvision" and own in _torchvision_names():
        return _facts_of_torchvision(name, count=count)
    raise ConfigError(_unknown(name))


def build_network(name: str) -> nn.Module:
    """The network with random weights and its own head."""
    library, _, own = name.partition(":")
    if library == "timm":
        return timm.create_model(own, pretrained=False)
    options: dict[str, Any] = {}
    if own in ("googlenet", "inception_v3"):
        # As their builders do when they load weights: these were trained on another normalisation.
        options = {"transform_input": True, "init_weights": False}
    elif own.startswith("vit_"):
        options = {"image_size": _torchvision_weights(own).meta["min_size"][0]}
    return torchvision.models.get_model(own, weights=None, **options)


def _facts_of_timm(name: str, config: Any, *, count: bool) -> Facts:
    if config is None or config.input_size[0] != 3:
        raise ConfigError(f"model.backbone: {name} does not take RGB photos; choose another network")
    file = urlsplit(config.url or "").path.rpartition("/")[2]
    # Files of other ways to publish (.npz) are named by the hub repository alone.
    torch_file = file if file.endswith(_TORCH_ENDINGS) else None
    chosen = (config.hf_hub_filename,) if config.hf_hub_filename else _HUB_FILES
    return Facts(
        name=name,
        px=max(config.input_size[1:]),
        fixed=bool(config.fixed_input_size),
        mean=tuple(config.mean),
        std=tuple(config.std),
        interpolation=config.interpolation,
        crop=float(config.crop_pct),
        licence=config.license or UNKNOWN_LICENCE,
        parameters=count_parameters(name) if count else None,
        hub=config.hf_hub_id or None,
        hub_files=chosen if config.hf_hub_id else (),
        torch_file=torch_file,
    )


def _facts_of_torchvision(name: str, *, count: bool) -> Facts:
    own = name.partition(":")[2]
    weights = _torchvision_weights(own)
    transforms = weights.transforms()
    px = transforms.crop_size[0]
    return Facts(
        name=name,
        px=px,
        fixed=own.startswith(("vit_", "maxvit")),
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        interpolation=transforms.interpolation.value,
        crop=px / transforms.resize_size[0],
        licence=UNKNOWN_LICENCE,
        parameters=count_parameters(name) if count else None,
        hub=None,
        hub_files=(),
        torch_file=urlsplit(weights.url).path.rpartition("/")[2],
    )


def count_parameters(name: str) -> int:
    """Number of parameters, its head included."""
    if name.startswith("torchvision:"):
        return int(_torchvision_weights(name.partition(":")[2]).meta["num_params"])
    with torch.device("meta"):  # a network without memory, built in a tenth of the time
        network = build_own(name) if is_own_name(name) else build_network(name)
        return sum(each.numel() for each in network.parameters())


def _torchvision_weights(own: str) -> Any:
    return torchvision.models.get_model_weights(own).DEFAULT


def _torchvision_names() -> list[str]:
    return list(torchvision.models.list_models(module=torchvision.models))


def _all_names() -> list[str]:
    return [*(f"timm:{own}" for own in timm.list_models()), *(f"torchvision:{own}" for own in _torchvision_names())]


def _unknown(name: str) -> str:
    built_in = ", ".join([*(backbone.name for backbone in BACKBONES), *FORMS])
    close = _close(name)
    hint = f"Did you mean {' or '.join(close)}?" if close else "`photograft backbones list FILTER` finds names."
    return f"model.backbone: {name!r} is not known. {hint} Built in: {built_in}"


def _close(name: str) -> list[str]:
    library, colon, own = name.partition(":")
    own = own if colon else library
    architecture = own.partition(".")[0]
    if library == "timm" and timm.is_model(architecture):
        known = [f"timm:{each}" for each in timm.list_pretrained(f"{architecture}.*")]
    else:
        known = [*(each.name for each in BACKBONES), *_all_names()]
        known = [each for each in known if each.startswith(f"{library}:")] or known
    by_own: dict[str, list[str]] = {}
    for each in known:
        by_own.setdefault(each.rpartition(":")[2], []).append(each)
    close = [own] if own in by_own else difflib.get_close_matches(own, by_own, n=_SUGGESTIONS)
    return [each for key in close for each in by_own[key]]


def main(arguments: list[str]) -> int:
    """Print the facts of one network; errors go to stderr as one line."""
    try:
        print(json.dumps(asdict(describe(arguments[0]))))  # noqa: T201
    except PhotograftError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
