"""The model card of an export: README.md in the hub's format, with the numbers that were measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from photograft.models.bundle_rows import BundleInfo
from photograft.models.card import base_models, card_body, licence_id, plain
from photograft.models.export_metadata import EMBEDDING, STRANGENESS

_LIBRARIES = {"onnx": "onnx", "onnx-int8": "onnx", "openvino": "openvino", "timm": "timm", "web": "onnxruntime-web"}


def export_card(*, run: str, info: BundleInfo, form: str, document: Mapping[str, Any]) -> str:
    """Markdown with a YAML head: the tested score, what the export changed, and how to use it.

    `document` is what `photograft.workflow.export_verification` found.
    """
    head = yaml.safe_dump(_front_matter(run, info, form, document), allow_unicode=True, sort_keys=False)
    several = info.kinds[info.targets[0].name] == "sigmoid"
    return f"""---
{head}---

# {plain(run)} ({form})

{card_body(info, info.tested)} {_statuses(info, form)}

## What the export changed

{_changed(document)}

## Use

{_USE[form].format(px=info.contracts[0].contract.px, link="sigmoid()" if several else "softmax(dim=1)")}
{_outputs(info) if form in ("onnx", "onnx-int8", "openvino") else ""}"""


def _front_matter(run: str, info: BundleInfo, form: str, document: Mapping[str, Any]) -> dict[str, Any]:
    bases = base_models(info)
    results = [_result(run, info.tested["what"], _metrics(info.tested))] if info.tested else []
    photos = document.get("photos")
    if photos is not None and photos["labelled"] and not photos["seen"]:
        last = document["rows"][-1]
        metric = {"type": "accuracy", "name": f"accuracy of {last['name']}", "value": round(last["accuracy"], 4)}
        results.append(_result(run, photos["what"], [metric]))
    return {
        "license": licence_id(info),
        "library_name": _LIBRARIES[form],
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "photograft", *([form] if form != _LIBRARIES[form] else [])],
        "base_model": bases[0] if len(bases) == 1 else bases,
        "metrics": ["accuracy", "f1"],
        "model-index": [{"name": run, "results": results}],
    }


def _result(run: str, what: str, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    task = {"type": "image-classification", "name": "Image Classification"}
    return {"task": task, "dataset": {"name": f"{run}: {what}", "type": "imagefolder"}, "metrics": metrics}


def _metrics(tested: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those of the model before its export, as the run tested it."""
    names = {"accuracy": ("accuracy", "accuracy"), "macro_f1": ("f1", "macro F1"), "micro_f1": ("f1", "micro F1")}
    return [
        {"type": kind, "name": name, "value": round(tested[key], 4)}
        for key, (kind, name) in names.items()
        if tested.get(key) is not None
    ]


def _changed(document: Mapping[str, Any]) -> str:
    rows = document.get("rows")
    if not rows:
        return (
            "Nothing: the page runs the model's own networks, in 32 bits, and prepares photos by the same contract. It "
            "checks itself against the model's golden pictures whenever it opens."
        )
    lines = ["| | size | photos per second | accuracy | same answer | largest difference of a probability |"]
    lines.append("|---|--:|--:|--:|--:|--:|")
    for row in rows:
        accuracy = "" if "accuracy" not in row else f"{row['accuracy']:.3f}"
        same = "" if "agreement" not in row else f"{100 * row['agreement']:.1f} %"
        largest = row.get("max_difference", row.get("golden_difference"))
        difference = "" if largest is None else f"{largest:.1g}"
        size, rate = f"{row['size_bytes'] / 1e6:.1f} MB", f"{row['photos_per_second']:.0f}"
        lines.append(f"| {row['name']} | {size} | {rate} | {accuracy} | {same} | {difference} |")
    photos = document["photos"]
    on = "golden pictures alone" if photos is None else f"{photos['n']:,} {plain(photos['what'])}"
    if photos is not None and photos["seen"]:
        on += f", {photos['seen']:,} of which the model was trained on: what changed counts, the accuracy is too high"
    speed = "Photos per second are those of the model alone, without decoding, on the machine that exported it."
    return "\n".join(lines) + f"\n\nCompared on {on}. {speed}"


def _statuses(info: BundleInfo, form: str) -> str:
    """Whose the statuses are that the card speaks of."""
    if form == "web" or (info.decisions.unsure is None and info.decisions.unfamiliar is None):
        return ""
    if form == "timm":
        return "Statuses are given by photograft; this folder gives logits alone."
    return "Statuses are given by photograft; this file gives what they follow from, and its metadata hold the limits."


def _outputs(info: BundleInfo) -> str:
    said = f"\n`{EMBEDDING}` is a further output, for photos that look alike."
    if info.decisions.unfamiliar is not None:
        limit = info.decisions.unfamiliar.limit
        said += f" `{STRANGENESS}` above {limit:.1f} means that a photo is unlike all that the model learned from."
    return (
        f"{said}\n\nThe metadata of the file hold labels, contract (how a file becomes pixels), decisions, licences "
        "and the tested score, as JSON. The lines above are the contract for small upright photos alone.\n"
    )


_USE = {
    "onnx": """    import numpy, onnxruntime
    from PIL import Image

    pixels = numpy.asarray(Image.open("photo.jpg").convert("RGB").resize(({px}, {px}), Image.Resampling.BICUBIC))[None]
    session = onnxruntime.InferenceSession("model.onnx")
    print(session.get_modelmeta().custom_metadata_map["labels"])
    print(session.run(["probabilities"], {{"pixels": pixels}})[0])
""",
    "openvino": """    import numpy, openvino
    from PIL import Image

    pixels = numpy.asarray(Image.open("photo.jpg").convert("RGB").resize(({px}, {px}), Image.Resampling.BICUBIC))[None]
    model = openvino.Core().compile_model("model.xml", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
    print(model({{"pixels": pixels}})["probabilities"])

Without the hint, OpenVINO computes in bf16 on processors that can.
""",
    "timm": """    import timm, torch
    from PIL import Image

    network = timm.create_model("local-dir:PATH_OF_THIS_FOLDER", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    with torch.no_grad():
        logits = network(transform(Image.open("photo.jpg").convert("RGB"))[None])
    print(network.pretrained_cfg["label_names"], logits.{link})

The logits are divided by the model's temperature, so that these are its calibrated probabilities.
""",
    "web": """    python -m http.server 8000 --bind 127.0.0.1 --directory PATH_OF_THIS_FOLDER

Then open http://localhost:8000/; HOSTING.md says more. Photos never leave the browser.
""",
}
_USE["onnx-int8"] = _USE["onnx"]
