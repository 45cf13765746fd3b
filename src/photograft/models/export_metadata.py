"""What an export says of itself: labels, contract, decisions, licence and tested score, as texts by key."""

from __future__ import annotations

import json
from typing import Any

import photograft
from photograft.data.hashing import hash_file
from photograft.errors import ModelError
from photograft.models.bundle import Bundle
from photograft.models.bundle_rows import FactorRow

PIXELS, PROBABILITIES, EMBEDDING, STRANGENESS = "pixels", "probabilities", "embedding", "strangeness"
"""Names of the input and the outputs; those of factors are `factor_1`, `factor_2` and so on."""


def export_metadata(bundle: Bundle) -> dict[str, str]:
    """The texts that an exported file carries, JSON except for `photograft`, its version, and `bundle`, its SHA-256."""
    info = bundle.info
    documents: dict[str, Any] = {
        "labels": list(bundle.classes),
        "kind": "several labels" if bundle.several else "one label",
        "contract": bundle.contract.model_dump(mode="json"),
        "outputs": {"probabilities": PROBABILITIES, "embedding": EMBEDDING},
        "licences": info.licences,
        "tested": info.tested,
        "decisions": _decisions(bundle),
    }
    if bundle.several:
        documents["thresholds"] = list(info.targets[0].thresholds or ())
    if factors := factor_rows(bundle):
        documents["factors"] = [
            {"name": row.name, "classes": list(row.classes), "output": output} for output, row in factors.items()
        ]
    written = {key: json.dumps(value, ensure_ascii=False) for key, value in documents.items()}
    return {
        "photograft": photograft.__version__,
        "bundle": hash_file(bundle.folder / "checksums.json"),
        **written,
    }


def factor_rows(bundle: Bundle) -> dict[str, FactorRow]:
    """Factors by the names of their outputs: the targets where there are several, else those of the one target."""
    info = bundle.info
    rows = info.targets[0].factors
    if info.joint is not None:
        rows = tuple(FactorRow(name=target.name, classes=target.classes) for target in info.targets)
    return {f"factor_{number}": row for number, row in enumerate(rows, start=1)}


def require_one_contract(bundle: Bundle) -> None:
    """Refuse a bundle whose networks read photos in different ways: a file of one input cannot hold it."""
    if len(bundle.contracts) > 1:
        sizes = ", ".join(f"{contract.px} px" for contract in bundle.contracts.values())
        raise ModelError(
            f"{bundle.folder} reads each photo in {len(bundle.contracts)} ways (contracts of {sizes}), and an exported "
            "file takes one picture: train its members with the same input.px and input.crop, or use the bundle as it "
            "is (photograft predict, photograft serve)."
        )


def _decisions(bundle: Bundle) -> dict[str, Any]:
    """Limits of probability and strangeness; empty where every photo is answered."""
    unsure, unfamiliar = bundle.info.decisions.unsure, bundle.info.decisions.unfamiliar
    found: dict[str, Any] = {}
    if unsure is not None:
        found["unsure"] = unsure.model_dump(mode="json")
    if unfamiliar is not None:
        found["unfamiliar"] = {"output": STRANGENESS, "limit": unfamiliar.limit}
    return found
