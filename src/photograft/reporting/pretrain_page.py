"""What a pretrained encoder has to show, as a document and as a page: reconstructions, the error, the curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from photograft.config.names import dotted_values
from photograft.evaluation.reconstruction import Error
from photograft.reporting.clean import clean_value
from photograft.reporting.curves import curves_svg
from photograft.reporting.html import Pictures, render_template
from photograft.reporting.pretrain_texts import pretrain_texts_in
from photograft.reporting.training_section import say_time
from photograft.values import Record

_FORMAT = 1


@dataclass(frozen=True)
class Pretrained:
    """The result of `pretrain`: counts of photos by what became of them, and errors by what was judged.

    `errors` has "model", "mean_colour" and "quarter" of held-out photos, and "trained" of photos that trained. `kept`
    values of the encoder stand for `given` values of a photo. `split_given` says that a test part was known.
    """

    run: str
    backbone: str
    px: int
    photos: Mapping[str, int]
    errors: Mapping[str, Error]
    kept: int
    given: int
    epochs: int
    seconds: float
    split_given: bool
    next_command: str
    notes: Sequence[str] = ()


def build_pretrained(result: Pretrained, settings: Mapping[str, Any], *, language: str = "en") -> dict[str, Any]:
    """The document that report.json holds."""
    errors = {
        name: {"mse": error.mse, "mse_low": error.low, "mse_high": error.high, "psnr_db": error.psnr_db}
        for name, error in result.errors.items()
    }
    document = {
        "format": _FORMAT,
        "kind": "pretrain",
        "run": result.run,
        "language": language,
        "backbone": result.backbone,
        "px": result.px,
        "photos": dict(result.photos),
        "errors": errors,
        "values": {"kept": result.kept, "given": result.given},
        "epochs": result.epochs,
        "seconds": round(result.seconds, 3),
        "split_given": result.split_given,
        "next": result.next_command,
        "notes": list(result.notes),
        "settings": settings,
    }
    cleaned: dict[str, Any] = clean_value(document)
    return cleaned


def render_pretrained(document: Mapping[str, Any], records: Sequence[Record], *, sheet: bytes) -> str:
    """Draw the page; `sheet` is the JPEG of reconstructions, empty where there is none."""
    texts, errors = pretrain_texts_in(document["language"]), document["errors"]
    model = errors["model"]
    best = next((name for name in ("quarter", "mean_colour") if model["mse"] < errors[name]["mse"]), "")
    return render_template(
        "pretrain.html.j2",
        texts=texts,
        document=document,
        verdict=texts.say(
            {"quarter": "pretrain.better", "mean_colour": "pretrain.between"}.get(best, "pretrain.worse")
        ),
        lead=texts.say(
            "pretrain.lead",
            backbone=document["backbone"],
            n=document["photos"]["train"],
            px=document["px"],
            held=document["photos"]["held_out"],
            mse=_digits(model["mse"]),
            low=_digits(model["mse_low"]),
            high=_digits(model["mse_high"]),
            db=f"{model['psnr_db']:.1f}",
        ),
        rows=[
            {
                "name": texts.say(f"pretrain.{name}"),
                "mse": _digits(error["mse"]),
                "range": f"{_digits(error['mse_low'])} – {_digits(error['mse_high'])}",
                "db": f"{error['psnr_db']:.1f}",
            }
            for name, error in errors.items()
        ],
        time=say_time(document["seconds"], texts),
        settings=list(dotted_values(document["settings"])),
        sheet=Pictures().address(sheet),
        figure=Markup(curves_svg(records, best=-1, language=document["language"])) if records else None,
    )


def _digits(mse: float) -> str:
    return f"{mse:.2g}" if mse < 0.001 else f"{mse:.4f}"
