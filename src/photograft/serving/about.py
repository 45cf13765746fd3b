"""What `/v1/model` says of the model."""

from __future__ import annotations

from typing import Any

from photograft import __version__
from photograft.inference.compose import factors_of
from photograft.models.bundle import Bundle
from photograft.serving.service import Service


def describe_model(service: Service, *, indexed: int | None) -> dict[str, Any]:
    """The document; `indexed` is the number of photos in the index, None where there is none."""
    bundle = service.first.bundle
    info = bundle.info
    classifiers = service.heads.classifiers
    return {
        "name": service.heads.names[0],
        "classes": list(bundle.classes),
        "factors": {each.name: list(each.classes) for each in factors_of(info.targets, info.joint)},
        "several": bundle.several,
        "heads": [
            {"name": name, "classes": list(each.bundle.classes), "tested": _tested(each.bundle)}
            for name, each in classifiers.items()
        ],
        "tested": _tested(bundle),
        "contract": info.contracts[0].id,
        "network": info.networks[0].sha256,
        "decisions": info.decisions.model_dump(mode="json"),
        "index": None if indexed is None else {"photos": indexed},
        "limits": {
            "body_bytes": service.body_bytes,
            "files": service.most_files,
            "pixels": service.most_pixels,
            "photo_seconds": service.config.photo_seconds,
        },
        "version": __version__,
    }


def _tested(bundle: Bundle) -> dict[str, Any]:
    """How good the model was tested to be, as it was written down, with a sentence that says it."""
    tested = dict(bundle.info.tested)
    if {"n", "accuracy", "accuracy_low", "accuracy_high"} <= tested.keys():
        share, low, high = (f"{100 * tested[key]:.1f} %" for key in ("accuracy", "accuracy_low", "accuracy_high"))
        tested["sentence"] = f"Right on {share} of {tested['n']:,} photos it had not learned from ({low} to {high})."
    return tested
