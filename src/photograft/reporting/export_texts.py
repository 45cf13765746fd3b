"""What `export` found, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def export_lines(document: Mapping[str, Any]) -> list[str]:
    """The table, what it rests on, and what was written."""
    lines = _table(document["rows"]) if document.get("rows") else []
    photos = document.get("photos")
    if photos is not None:
        said = [f"Compared on {photos['n']:,} {photos['what']}."]
        if not photos["labelled"]:
            said.append("They were compared without labels, so there is no accuracy.")
        if photos["seen"]:
            said.append(
                f"The model was trained on {photos['seen']:,} of them: the change counts, the accuracy is too high."
            )
        if photos["rejected"]:
            said.append(f"{photos['rejected']:,} more could not be read.")
        lines += ["", " ".join(said)]
    elif lines:
        lines += ["", "Compared on the golden pictures alone: --photos FOLDER compares on photos."]
    if document.get("calibration"):
        lines.append(f"Calibrated on {document['calibration']['n']} photos ({document['calibration']['what']}).")
    slower = [row for row in (document.get("rows") or [])[1:] if _is_slower(row, document["rows"][0])]
    lines += [f"{row['name']} is slower than the bundle on this machine." for row in slower]
    size = sum(document["files"].values())
    return [*lines, f"{document['export']}: {len(document['files'])} files, {size / 1e6:.1f} MB"]


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    first = rows[0]
    columns = ["", "size", "photos/s", "accuracy", "same answer", "largest difference"]
    cells = [columns]
    for row in rows:
        rate = f"{row['photos_per_second']:.0f}"
        rate += f" ({_ratio(row, first):.2f} x)" if row is not first else ""
        size = f"{row['size_bytes'] / 1e6:.1f} MB"
        cells.append([row["name"], size, rate, _accuracy(row), _same(row), _difference(row)])
    kept = [i for i in range(len(columns)) if any(row[i] for row in cells[1:])]
    widths = {i: max(len(row[i]) for row in cells) for i in kept}
    return ["  ".join(row[i].ljust(widths[i]) for i in kept).rstrip() for row in cells]


def _is_slower(row: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Whether even its fastest pass was slower than the slowest of the bundle, which they took in turns."""
    return float(row["photos_per_second_high"]) < float(first["photos_per_second_low"])


def _ratio(row: Mapping[str, Any], first: Mapping[str, Any]) -> float:
    return float(row["photos_per_second"] / first["photos_per_second"])


def _accuracy(row: Mapping[str, Any]) -> str:
    if "accuracy" not in row:
        return ""
    if "change" not in row:
        return f"{row['accuracy']:.3f}"
    return (
        f"{row['accuracy']:.3f} ({row['change']:+.3f}, 95 % interval {row['change_low']:+.3f} to "
        f"{row['change_high']:+.3f})"
    )


def _same(row: Mapping[str, Any]) -> str:
    return "" if "agreement" not in row else f"{100 * row['agreement']:.1f} %"


def _difference(row: Mapping[str, Any]) -> str:
    """Of a probability, on the photos, or where there are none on the golden pictures."""
    largest = row.get("max_difference", row.get("golden_difference"))
    return "" if largest is None else f"{largest:.1e}"
