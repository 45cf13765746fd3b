"""The model card: README.md of a bundle, in the hub's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def model_card(
    *,
    run: str,
    classes: Sequence[str],
    backbone: str,
    licence: str,
    px: int,
    views: int,
    boxed: bool,
    tested: Mapping[str, Any],
) -> str:
    """Markdown with a YAML head: what the model is, how to use it, how it was tested and what it is not for."""
    names = "\n".join(f"- {_plain(name)}" for name in classes)
    accuracy = (
        f"Accuracy {tested['accuracy']:.3f} "
        f"(95 % interval {tested['accuracy_low']:.3f} to {tested['accuracy_high']:.3f}) "
        f"on {tested['n']:,} photos ({tested['what']}). {tested['leak_statement']}"
    )
    if boxed:
        accuracy += (
            " The photos were cropped to annotated boxes. Of a photo without one the whole is used, for which this "
            "score does not hold."
        )
    if "test" in tested["fitted_on"]:
        accuracy += (
            " The head in this bundle was afterwards fitted on all photos, the tested ones included; "
            "the score is that of the head before."
        )
    return f"""---
license: {_licence_id(licence)}
pipeline_tag: image-classification
library_name: photograft
base_model: {backbone}
---

# {_plain(run)}

An image classifier for {len(classes)} classes: a linear head on the frozen features of {backbone} ({licence})
at {px} pixels, {views} view{"s" if views > 1 else ""} per photo. Made by photograft.

## Classes

{names}

## How well it does

{accuracy}

The score holds for photos like those it was tested on. Photos of other things get one of the classes too.

## Use

    pip install photograft
    photograft predict PATH_OF_THIS_FOLDER photo.jpg
    photograft verify PATH_OF_THIS_FOLDER

How a file becomes pixels is part of the bundle (`bundle.json`, `contracts`).
`verify` replays the pictures in `golden/`.
"""


def _licence_id(licence: str) -> str:
    """The hub's name of a licence; `other` where the network's page has to be read."""
    return licence.lower() if " " not in licence else "other"


def _plain(name: str) -> str:
    """A name that cannot end its line or start Markdown."""
    return "".join("\\" + c if c in "\\`*_{}[]<>#|" else " " if c in "\r\n" else c for c in name)
