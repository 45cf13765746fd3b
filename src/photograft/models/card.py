"""The model card: README.md of a bundle, in the hub's format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from photograft.contract import window_px
from photograft.models.bundle_rows import BundleInfo, FactorRow, NetworkRow, TargetRow


def model_card(*, run: str, info: BundleInfo, tested: Mapping[str, Any]) -> str:
    """Markdown with a YAML head: what the model is, how to use it, how it was tested and what it is not for."""
    return f"""---
license: {licence_id(info)}
pipeline_tag: image-classification
library_name: photograft
base_model: {_yaml_of(base_models(info))}
---

# {plain(run)}

{card_body(info, tested)}

## Use

    pip install photograft
    photograft predict PATH_OF_THIS_FOLDER photo.jpg
    photograft verify PATH_OF_THIS_FOLDER

How a file becomes pixels is part of the bundle (`bundle.json`, `contracts`).
`verify` replays the pictures in `golden/`.
"""


def card_body(info: BundleInfo, tested: Mapping[str, Any]) -> str:
    """What the model is, its classes, how well it does and what it is not for, as Markdown."""
    return f"""{_what_it_says(info)} Made by photograft.

{_how_it_works(info)}

{_classes(info)}

## How well it does

{_score(info, tested)}

The score holds for photos like those it was tested on. {_unknown_things(info)}"""


def _what_it_says(info: BundleInfo) -> str:
    n, factors = len(info.classes), _factors(info)
    if _is_several(info):
        return f"Gives a photo any number of {n} labels."
    if not factors:
        return f"An image classifier for {n} classes."
    names = ", ".join(plain(factor.name) for factor in factors)
    if info.joint is None:
        return f"An image classifier for {n} classes, combinations of {len(factors)} factors: {names}."
    return (
        f"An image classifier for {len(factors)} factors: {names}. Each has a prediction of its own; multiplied, these "
        f"give the probabilities of all {n} combinations, also of those that no training photo shows."
    )


def _how_it_works(info: BundleInfo) -> str:
    if len(info.networks) == 1:
        heads = "a linear head" if len(info.heads) == 1 else f"{len(info.heads)} linear heads"
        return f"It is {heads} on {_network(info.networks[0], info)}."
    lines = "\n".join(f"- {_network(network, info)}: {_on(network, info)}" for network in info.networks)
    return f"Its linear heads stand on {len(info.networks)} networks:\n\n{lines}"


def _network(network: NetworkRow, info: BundleInfo) -> str:
    view = info.views_of(network.id)
    contract = next(row.contract for row in info.contracts if row.id == network.contract)
    state = "the frozen features of" if network.cut == "head" else "the features, tuned on these classes, of"
    n = len(view.names)
    return (
        f"{state} {network.source['name']} ({network.source['licence']}) at {window_px(contract.px, view.crops)} "
        f"pixels, {n} view{'s' if n > 1 else ''} per photo"
    )


def _on(network: NetworkRow, info: BundleInfo) -> str:
    """What the heads on a network predict, and with which weights."""
    heads = {head.id for head in info.heads if head.network == network.id}
    shares = [
        f"{plain(target.name)} (weight {member.weight:.2f})" if len(target.members) > 1 else plain(target.name)
        for target in info.targets
        for member in target.members
        if member.head in heads
    ]
    return ", ".join(shares)


def _classes(info: BundleInfo) -> str:
    factors = _factors(info)
    if not factors:
        title = "Labels" if _is_several(info) else "Classes"
        return f"## {title}\n\n" + _list(_described(info.targets[0]))
    parts = [f"### {plain(factor.name)}\n\n" + _list(plain(name) for name in factor.classes) for factor in factors]
    return "## Factors\n\n" + "\n\n".join(parts)


def _described(target: TargetRow) -> Iterator[str]:
    if target.thresholds is None:
        yield from map(plain, target.classes)
        return
    for name, threshold in zip(target.classes, target.thresholds, strict=True):
        yield f"{plain(name)}, from probability {threshold:.2f} on"


def _list(lines: Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _score(info: BundleInfo, tested: Mapping[str, Any]) -> str:
    if not tested:
        return "It was not tested."
    what = f"{tested['n']:,} photos ({tested['what']}). {tested['leak_statement']}"
    accuracy = (
        f"{tested['accuracy']:.3f} (95 % interval {tested['accuracy_low']:.3f} to {tested['accuracy_high']:.3f}) on "
    )
    if _is_several(info):
        text = f"The share of photos whose labels are all right is {accuracy}{what}"
        text += f" Micro-F1 {tested['micro_f1']:.3f}, macro-F1 {tested['macro_f1']:.3f}."
    else:
        text = f"Accuracy {accuracy}{what}"
    if any(row.contract.box.source != "none" for row in info.contracts):
        text += (
            " The photos were cropped to annotated boxes. Of a photo without one the whole is used, for which this "
            "score does not hold."
        )
    if "test" in tested["fitted_on"]:
        text += (
            " The model in this bundle was afterwards fitted on all photos, the tested ones included; "
            "the score is that of the model before."
        )
    return text + _factor_scores(tested)


def _factor_scores(tested: Mapping[str, Any]) -> str:
    """A table of every factor, where there are some, with the combinations as its last row."""
    if not tested.get("factors"):
        return ""
    scores = {plain(name): each for name, each in tested["factors"].items()} | {"all of them right": tested}
    rows = [f"| {name} | {each['accuracy']:.3f} | {each['macro_f1']:.3f} |" for name, each in scores.items()]
    return "\n\n| factor | accuracy | macro-F1 |\n|---|--:|--:|\n" + "\n".join(rows)


def _unknown_things(info: BundleInfo) -> str:
    some = "may get some of the labels" if _is_several(info) else "get one of the classes"
    said = f"Photos of other things {some} too."
    unsure, unfamiliar = info.decisions.unsure, info.decisions.unfamiliar
    if unfamiliar is not None:
        said += " Most of them are told by the status `unfamiliar`, not those that look like the classes."
    if unsure is None:
        return said
    if unsure.min_probability == 0:
        wanted = f"of which {100 * unsure.precision:.3g} of 100 were to be right"
        return f"{said} Every label is probable enough for an answer, {wanted} ({unsure.n:,} photos)."
    return (
        f"{said} A label with a probability below {unsure.min_probability:.2f} has the status `unsure`, so that "
        f"{100 * unsure.precision:.3g} of 100 of the others are right (chosen on {unsure.n:,} photos)."
    )


def _factors(info: BundleInfo) -> tuple[FactorRow, ...]:
    if info.joint is None:
        return info.targets[0].factors
    return tuple(FactorRow(name=target.name, classes=target.classes) for target in info.targets)


def _is_several(info: BundleInfo) -> bool:
    return info.kinds[info.targets[0].name] == "sigmoid"


def base_models(info: BundleInfo) -> list[str]:
    """Names of the networks that the model was made from."""
    return list(dict.fromkeys(str(network.source["name"]) for network in info.networks))


def licence_id(info: BundleInfo) -> str:
    """The hub's name of the licence; `other` where there are several, or the network's page has to be read."""
    licences = {network.source["licence"] for network in info.networks}
    licence = str(next(iter(licences)))
    return licence.lower() if len(licences) == 1 and " " not in licence else "other"


def plain(name: str) -> str:
    """A name that cannot end its line or start Markdown."""
    return "".join("\\" + c if c in "\\`*_{}[]<>#|" else " " if c in "\r\n" else c for c in name)


def _yaml_of(names: list[str]) -> str:
    """One name, or a YAML list of them."""
    return names[0] if len(names) == 1 else "".join(f"\n- {name}" for name in names)
