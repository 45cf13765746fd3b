"""Networks that photograft builds itself, by names that say their sizes, as in `cnn:16-32-64`.

Knows nothing of torch; `models/architectures.py` builds them.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from photograft.config.model import Triple
from photograft.contract import canonical_json
from photograft.errors import ConfigError
from photograft.models.facts import UNKNOWN_LICENCE

FORMS = ("cnn:16-32-64", "autoencoder:32x5", "densenet:FILE.json")
"""How the names are written, with sizes to begin with."""

_HALF: Triple = (0.5, 0.5, 0.5)
_NO_LICENCE = "none: no weights of others"
_DENSENET_121 = '{"growth_rate": 32, "block_config": [6, 12, 24, 16], "num_init_features": 64}'
_MOST_WIDTHS = 6
"""Each halves the map, and the smallest photos have 64 px."""


@dataclass(frozen=True)
class OwnNetwork:
    """A network as its name describes it.

    `name` is whole: it does not depend on a file. `title` is the short one for people and for names of files. `sizes`
    are the arguments of the network's class. `px` is the side that the network is usually given.
    """

    kind: str
    name: str
    title: str
    sizes: dict[str, Any]
    mean: Triple
    std: Triple
    px: int
    licence: str


def is_own_name(name: str) -> bool:
    """Whether the name is written as that of a network that photograft builds itself."""
    return name.partition(":")[0] in _READERS


def read_own_name(name: str) -> OwnNetwork:
    """The network of that name; of `densenet:FILE.json` the file is read.

    Raises:
        ConfigError: The name, or the file, is wrong; says how it is written.
    """
    kind, _, sizes = name.partition(":")
    return _READERS[kind](sizes.strip())


def _read_cnn(text: str) -> OwnNetwork:
    numbers = re.findall(r"[0-9]+", text)
    widths = tuple(int(number) for number in numbers)
    plain = "-".join(map(str, widths))
    if text != plain or not plain:
        raise _misspelt("cnn", text, f"cnn:{plain}" if plain else None, "the channels of its convolutions", FORMS[0])
    if len(widths) > _MOST_WIDTHS or not all(0 < width <= 2048 for width in widths):
        raise ConfigError(
            f"model.backbone: cnn:{text}: give 1 to {_MOST_WIDTHS} convolutions of 1 to 2048 channels, as in "
            f"{FORMS[0]}: each of them halves the photo"
        )
    return _without_weights("cnn", plain, {"widths": widths}, px=160)


def _read_autoencoder(text: str) -> OwnNetwork:
    found = re.fullmatch(r"([1-9][0-9]*)x([1-9][0-9]*)(-instance)?", text)
    if found is None:
        numbers = [int(number) for number in re.findall(r"[0-9]+", text)]
        instance = "-instance" if "inst" in text.lower() else ""
        close = f"autoencoder:{numbers[0]}x{numbers[1]}{instance}" if len(numbers) == 2 and all(numbers) else None
        raise _misspelt("autoencoder", text, close, "width x residual blocks", f"{FORMS[1]} or {FORMS[1]}-instance")
    width, n_blocks = int(found[1]), int(found[2])
    if width > 512 or n_blocks > 64:
        raise ConfigError(f"model.backbone: autoencoder:{text}: the width is at most 512, with at most 64 blocks")
    sizes = {"width": width, "n_blocks": n_blocks, "norm": "instance" if found[3] else "batch"}
    return _without_weights("autoencoder", f"{width}x{n_blocks}{found[3] or ''}", sizes, px=128)


def _without_weights(kind: str, text: str, sizes: dict[str, Any], *, px: int) -> OwnNetwork:
    name = f"{kind}:{text}"
    return OwnNetwork(kind, name, name, sizes, _HALF, _HALF, px, _NO_LICENCE)


_Count = Annotated[int, Field(ge=1, le=4096)]


class _DenseNetSizes(BaseModel):
    """The sizes of a DenseNet under the names that torchvision gives them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    growth_rate: _Count
    block_config: Annotated[tuple[_Count, ...], Field(min_length=1)]
    num_init_features: _Count
    bn_size: _Count = 4
    drop_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0


def _read_densenet(text: str) -> OwnNetwork:
    where, content = ("densenet:{...}", text) if text.startswith("{") else _read_file(text)
    try:
        sizes = _DenseNetSizes.model_validate_json(content).model_dump()
    except ValidationError as error:
        raise ConfigError(f"model.backbone: {where}: {_what_is_wrong(error)}") from error
    title = f"densenet-{'-'.join(map(str, sizes['block_config']))}"
    name = f"densenet:{canonical_json(sizes).decode()}"
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return OwnNetwork("densenet", name, title, sizes, mean, std, 224, UNKNOWN_LICENCE)


def _read_file(text: str) -> tuple[str, str]:
    path = Path(text).expanduser()
    try:
        return str(path), path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        what = f"there is no file {path}" if text and not path.exists() else f"{path} cannot be read ({error})"
        raise ConfigError(
            f"model.backbone: {what if text else 'densenet: needs a file'}; give densenet:FILE.json, whose content is "
            f"as in {_DENSENET_121}"
        ) from error


def _what_is_wrong(error: ValidationError) -> str:
    # A key that is misspelt is missing too: say how it was written.
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    key = ".".join(map(str, first["loc"]))
    known = list(_DenseNetSizes.model_fields)
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return f"{key} is not known; {hint}Known are {', '.join(known)}"
    if first["type"] == "missing":
        return f"{key} is missing, as in {_DENSENET_121}"
    what = first["msg"].removeprefix("Input ")
    return f"{key} {what}, not {json.dumps(first['input'])}" if key else f"{what}. Write {_DENSENET_121}"


def _misspelt(kind: str, text: str, close: str | None, meaning: str, example: str) -> ConfigError:
    hint = f"did you mean {close}? " if close else ""
    return ConfigError(f"model.backbone: {kind}:{text}: {hint}Write {meaning}, as in {example}")


_READERS: dict[str, Callable[[str], OwnNetwork]] = {
    "cnn": _read_cnn,
    "autoencoder": _read_autoencoder,
    "densenet": _read_densenet,
}
