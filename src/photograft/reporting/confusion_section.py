"""The confusion matrix on the page: whole, or the part that is confused most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from photograft.reporting.figures import confusion_svg
from photograft.reporting.texts import Texts

MANY_CLASSES = 20  # above: the class table scrolls, and the map shows the most confused classes first
_ENLARGED = 12
_SMALL = 6  # such a map is legible on a phone as a whole
_WHOLE_MAP = 250  # a larger map would be most of the file


def show_confusion(scored: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    """Return the figures of an evaluation, or of a factor, as the document has it."""
    classes = scored["classes"]
    confusion = np.array(scored["confusion"], dtype=np.int64)
    many = len(classes) > MANY_CLASSES
    whole = None if len(classes) > _WHOLE_MAP else Markup(confusion_svg(classes, confusion, language=texts.language))
    chosen = _most_confused(scored) if many else []
    part = None
    if chosen:
        names, inside = [classes[i] for i in chosen], confusion[np.ix_(chosen, chosen)]
        totals = confusion.sum(axis=1)[chosen]
        part = Markup(confusion_svg(names, inside, totals_K=totals, language=texts.language))
    size = "fit" if len(classes) <= _SMALL else "" if many else "snug"
    return {"many": many, "whole": whole, "part": part, "n": len(classes), "shown": len(chosen), "size": size}


def _most_confused(scored: Mapping[str, Any]) -> list[int]:
    index = {name: i for i, name in enumerate(scored["classes"])}
    chosen: list[int] = []
    for pair in scored["confused_pairs"]:
        for name in (pair["label"], pair["predicted"]):
            if index[name] not in chosen and len(chosen) < _ENLARGED:
                chosen.append(index[name])
    return chosen
