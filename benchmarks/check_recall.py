"""What `photograft check` finds of what was planted: `python benchmarks/check_recall.py --flowers FOLDER`.

Copies the photos into a temporary folder, plants defects (`defects.py` says how), runs `photograft check --json` and
`photograft train --quality fast`, and compares what they report with what was planted, pooled over several seeds.

- Copies count by pairs. Recall is the share of planted pairs (photo and copy) that stand in one reported group. A pair
  of a reported group that was not planted and that is no natural duplicate of the untouched photos counts against the
  precision of the kind of copy in it.
- Natural duplicates are pairs of untouched photos whose hashes differ in at most the largest of `--bits` and whose
  features have a cosine of at least split.duplicate_similarity. They are listed in the JSON file, to be looked at: of
  the flowers there are 12 pairs, and each is one photo, stored or edited twice. What `check` finds beside them in
  the untouched photos counts against the precision, as "untouched".
- `check` needs no network and takes every pair whose hashes differ in at most split.duplicate_bits of 256 bits (rotated
  copies: 8) for copies; `train` drops those that the features do not confirm. Both are in the table. A second
  table shows what another split.duplicate_bits would find.
- Findings about single files count by files, from issues.csv of `train`, which lists all of them; `check` must state
  the same number. What is reported of the untouched photos too is natural and counts neither way. A photo that was
  darkened until nothing is left to see is reported as blank, and counts against both kinds.
- A flipped label cannot be seen without a network unless a copy stands in another class. `train` names photos whose
  label its out-of-fold predictions doubt. What it doubts of the untouched photos may well be wrong there, and counts
  neither way; the precision with them is given too.

Photos with natural duplicates, findings or doubts are not used for planting, so that the truth about each is known.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
from defects import CONFLICT, COPIES, FLIPPED, SYSTEM, Planted, copy_photos, plant
from machine import say
from photo_sets import add_limit_argument, photos_by_class, sample
from photograft.config import Config
from photograft.metrics.intervals import wilson_interval

TARGETS = {"recompressed": (0.98, 0.99), "resized": (0.98, 0.99)}
"""Recall and precision of `check` that the project promises."""

PAIR_KINDS = ("exact_duplicate", "near_duplicate", "label_conflict", "leak")
FILE_KINDS = {
    "truncated": "rejected",
    "turned by EXIF": "turned",
    "wrong extension": "wrong_extension",
    "blank": "blank",
    "dark": "dark",
    "blurred": "blurred",
}
_FOUND_BY_CHECK = 3
Pair = tuple[str, str]


@dataclass(frozen=True)
class Findings:
    """What `check` and `train` report of a folder: pairs that share a group, and photos by kind of finding."""

    check_pairs: frozenset[Pair]
    train_pairs: frozenset[Pair]
    files: dict[str, tuple[str, ...]]
    found: int
    check_s: float


@dataclass
class Count:
    """Of `planted`, `found`; `wrong` ones were reported as well."""

    planted: int = 0
    found: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        reported = self.found + self.wrong
        share = {"recall": (self.found, self.planted), "precision": (self.found, reported)}
        result: dict[str, Any] = {**vars(self), "examples": self.examples[:20]}
        for name, (part, whole) in share.items():
            result[name] = {"value": part / whole, "interval": wilson_interval(part, whole)} if whole else None
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flowers", type=Path, required=True, metavar="FOLDER", help="one sub-folder per class")
    parser.add_argument("--copies", type=int, default=100, help="planted per kind of copy, and flipped labels")
    parser.add_argument("--spoiled", type=int, default=50, help="planted per kind of defect of one file")
    parser.add_argument("--seeds", type=int, default=3, help="copies of the folder, with defects drawn anew")
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 8, 12, 16, 24, 32], help="of the second table")
    parser.add_argument("--cache", type=Path, default=machine.OUT / "cache", help="where features are kept")
    add_limit_argument(parser)
    arguments = parser.parse_args()
    facts = machine.facts()
    with tempfile.TemporaryDirectory() as scratch:
        photos = sample(arguments.flowers, arguments.limit, Path(scratch) / "sample")
        results = _measure(photos, arguments, Path(scratch))
    print(machine.describe(facts))
    _print(results, arguments)
    machine.write_json("check_recall", facts, vars(arguments), results)


def _measure(photos: Path, arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    untouched_folder = scratch / "untouched"
    copy_photos(photos, untouched_folder)
    untouched = _find(untouched_folder, arguments, scratch, bits=max(arguments.bits))
    say(f"untouched: {untouched.found} photos, {len(untouched.train_pairs)} pairs of copies, {_count(untouched.files)}")
    natural = {path for pair in untouched.check_pairs | untouched.train_pairs for path in pair}
    natural.update(*untouched.files.values())
    listed = {f"{label}/{f.name}" for label, files in photos_by_class(untouched_folder).items() for f in files}
    tally = Tally(untouched)
    for seed in range(arguments.seeds):
        folder = scratch / f"planted-{seed}"
        copy_photos(photos, folder)
        planted = plant(folder, sorted(listed - natural), copies=arguments.copies, spoiled=arguments.spoiled, seed=seed)
        findings = _find(folder, arguments, scratch)
        tally.add(planted, findings, total=len(listed))
        for bits in arguments.bits:
            tally.add_operating_point(bits, planted, _check(folder, arguments, bits)[0], untouched.train_pairs)
        say(f"seed {seed}: {len(planted)} defects planted, check took {findings.check_s:.1f} s")
    return tally.to_json()


def _count(files: dict[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{len(paths)} {kind}" for kind, paths in files.items()) or "nothing else"


# ------------------------------------------------------------------ what the two commands report


def _find(folder: Path, arguments: argparse.Namespace, scratch: Path, *, bits: int | None = None) -> Findings:
    """Run both commands; `bits` is another split.duplicate_bits for `train`."""
    check_pairs, document, check_s = _check(folder, arguments)
    command = machine.photograft("train", folder, "--quality", "fast", "--runs-dir", scratch / "runs", "--json")
    for setting in ("split.test=0", "data.max_bad_fraction=1", "report.thumbnails=false"):
        command += ["--set", setting]
    command += [] if bits is None else ["--set", f"split.duplicate_bits={bits}"]
    run = Path(machine.run_process(command, env=_environment(arguments)).json()["run"])
    groups, files = [], defaultdict(list)
    with (run / "issues.csv").open(newline="", encoding="utf-8") as stream:
        for kind, _, _, *paths in itertools.islice(csv.reader(stream), 1, None):
            if kind in PAIR_KINDS:
                groups.append(paths)
            else:
                files[kind].extend(paths)
    stated = {issue["kind"]: issue["n"] for issue in document["issues"]}
    for kind in FILE_KINDS.values():
        if stated.get(kind, 0) != len(set(files[kind])):
            raise SystemExit(f"check states {stated.get(kind, 0)} {kind}, train lists {len(set(files[kind]))}.")
    by_kind = {kind: tuple(dict.fromkeys(paths)) for kind, paths in files.items() if paths}
    return Findings(check_pairs, _pairs(groups), by_kind, document["photos"]["found"], check_s)


def _check(
    folder: Path, arguments: argparse.Namespace, bits: int | None = None
) -> tuple[frozenset[Pair], dict[str, Any], float]:
    """Pairs of one group, and the whole document, of one `photograft check --json`."""
    command = machine.photograft("check", folder, "--json")
    command += [] if bits is None else ["--set", f"split.duplicate_bits={bits}"]
    done = machine.run_process(command, env=_environment(arguments), accept=(0, _FOUND_BY_CHECK))
    document = done.json()
    issues = [issue for issue in document["issues"] if issue["kind"] in PAIR_KINDS]
    cases = [case for issue in issues for case in issue["cases"]]
    if len(cases) < sum(issue["n_cases"] for issue in issues) or any(c["n_paths"] > len(c["paths"]) for c in cases):
        raise SystemExit("check has cut its list of copies: plant fewer at once, with more --seeds.")
    return _pairs(case["paths"] for case in cases), document, done.wall_s


def _environment(arguments: argparse.Namespace) -> dict[str, str]:
    return {"PHOTOGRAFT_CACHE": os.fspath(arguments.cache.resolve())}


def _pairs(groups: Iterable[Sequence[str]]) -> frozenset[Pair]:
    return frozenset(pair for group in groups for pair in itertools.combinations(sorted(group), 2))


# ------------------------------------------------------------------ counting


class Tally:
    """Counts over all seeds: copies by pairs, other findings by files."""

    def __init__(self, untouched: Findings) -> None:
        self.untouched = untouched
        self.copies = {source: defaultdict[str, Count](Count) for source in ("check", "train")}
        self.files: dict[str, Count] = defaultdict(Count)
        self.points: dict[int, dict[str, Count]] = defaultdict(lambda: defaultdict(Count))
        self.doubted_before = 0
        self.check_s: list[float] = []

    def add(self, planted: Sequence[Planted], findings: Findings, *, total: int) -> None:
        natural = self.untouched.train_pairs
        _count_pairs(self.copies["check"], planted, findings.check_pairs, natural)
        _count_pairs(self.copies["train"], planted, findings.train_pairs, natural)
        by_kind: dict[str, set[str]] = defaultdict(set)
        for each in planted:
            by_kind[each.kind].add(each.path)
        for kind, finding in FILE_KINDS.items():
            reported = set(findings.files.get(finding, ())) - set(self.untouched.files.get(finding, ()))
            _count_files(self.files[kind], by_kind[kind], reported)
        self._count_doubts(by_kind, set(findings.files.get("suspect_label", ())))
        added = sum(len(by_kind[kind]) for kind in (*COPIES, CONFLICT))
        system = self.files[SYSTEM]
        system.planted += len(by_kind[SYSTEM])
        # A system file that was read would be one more photo found, whatever became of it.
        system.found += len(by_kind[SYSTEM]) - (findings.found - total - added)
        self.check_s.append(findings.check_s)

    def add_operating_point(
        self, bits: int, planted: Sequence[Planted], pairs: frozenset[Pair], natural: frozenset[Pair]
    ) -> None:
        _count_pairs(self.points[bits], planted, pairs, natural)

    def to_json(self) -> dict[str, Any]:
        untouched = self.untouched
        return {
            "copies": {source: {k: c.to_json() for k, c in counts.items()} for source, counts in self.copies.items()},
            "files": {kind: count.to_json() for kind, count in self.files.items()},
            "doubted_in_untouched_too": self.doubted_before,
            "operating_points": {b: {k: c.to_json() for k, c in counts.items()} for b, counts in self.points.items()},
            "untouched": {
                "photos": untouched.found,
                "natural_pairs": sorted(untouched.train_pairs),
                "found_by_check": sorted(untouched.check_pairs & untouched.train_pairs),
                "found_by_check_alone": sorted(untouched.check_pairs - untouched.train_pairs),
                "files": untouched.files,
            },
            "check_s": self.check_s,
        }

    def _count_doubts(self, by_kind: dict[str, set[str]], doubted: set[str]) -> None:
        """Doubts about blank, dark or blurred photos count neither way; a copy in another class is wrongly labelled."""
        before = set(self.untouched.files.get("suspect_label", ()))
        neither = by_kind["blank"] | by_kind["dark"] | by_kind["blurred"]
        self.doubted_before += len(doubted & before)
        count = self.files[FLIPPED]
        _count_files(count, by_kind[FLIPPED], doubted - before - neither - by_kind[CONFLICT])


def _count_files(count: Count, planted: set[str], reported: set[str]) -> None:
    count.planted += len(planted)
    count.found += len(planted & reported)
    count.wrong += len(reported - planted)
    count.examples += [f"missed: {path}" for path in sorted(planted - reported)[:5]]
    count.examples += [f"wrong: {path}" for path in sorted(reported - planted)[:5]]


def _count_pairs(
    counts: dict[str, Count], planted: Sequence[Planted], pairs: frozenset[Pair], natural: frozenset[Pair]
) -> None:
    kind_of = {each.path: each.kind for each in planted}
    origin = {each.path: each.source for each in planted if each.source}
    for each in planted:
        if not each.source:
            continue
        counts[each.kind].planted += 1
        found = tuple(sorted((each.path, each.source))) in pairs
        counts[each.kind].found += found
        if not found:
            counts[each.kind].examples.append(f"missed: {each.path}")
    for a, b in sorted(pairs - natural):
        if origin.get(a, a) == origin.get(b, b):
            continue
        for kind in {kind_of.get(a, "untouched"), kind_of.get(b, "untouched")} - {"untouched"} or {"untouched"}:
            counts[kind].wrong += 1
            counts[kind].examples.append(f"wrong: {a} and {b}")
    everything = counts["all copies"]
    wrong = [pair for pair in pairs - natural if origin.get(pair[0], pair[0]) != origin.get(pair[1], pair[1])]
    everything.planted += len(origin)
    everything.found += len(pairs) - len(wrong) - len(pairs & natural)
    everything.wrong += len(wrong)


# ------------------------------------------------------------------ tables


def _print(results: dict[str, Any], arguments: argparse.Namespace) -> None:
    split = Config().split
    untouched = results["untouched"]
    print(
        f"\nUntouched: {untouched['photos']:,} photos with {len(untouched['natural_pairs'])} natural pairs of copies; "
        f"check finds {len(untouched['found_by_check'])} of them, and {len(untouched['found_by_check_alone'])} others."
    )
    rows = []
    for kind in (*COPIES, CONFLICT, "untouched", "all copies"):
        cells = [_cells(results["copies"][source].get(kind)) for source in ("check", "train")]
        planted = results["copies"]["check"].get(kind, {}).get("planted", 0)
        rows.append([kind, str(planted), *cells[0], *cells[1], _verdict(kind, results["copies"]["check"].get(kind))])
    machine.print_table(
        f"Copies, pairs over {arguments.seeds} seeds, with 95 % intervals. check: hashes differ in at most "
        f"{split.duplicate_bits} of 256 bits; train: and features' cosine is at least {split.duplicate_similarity}",
        ["copy", "planted", "recall, check", "precision, check", "recall, train", "precision, train", "target"],
        rows,
    )
    bits = list(results["operating_points"])
    points = results["operating_points"]
    rows = []
    for kind in (*COPIES, "all copies"):
        rows.append([kind, *(_share(points[b].get(kind, {}).get("recall")) for b in bits)])
    rows.append(["precision of all", *(_share(points[b]["all copies"]["precision"]) for b in bits)])
    machine.print_table(
        f"Recall of check at other limits (split.duplicate_bits; the default is {split.duplicate_bits})",
        ["copy", *(f"{b} bits" for b in bits)],
        rows,
    )
    rows = [
        [kind, str(each["planted"]), *_cells(each), str(len(untouched["files"].get(FILE_KINDS.get(kind, ""), ())))]
        for kind, each in results["files"].items()
        if kind != FLIPPED
    ]
    flipped = results["files"][FLIPPED]
    rows.append([f"{FLIPPED} (train)", str(flipped["planted"]), *_cells(flipped), _doubts(untouched)])
    machine.print_table(
        "Single files: recall and precision with 95 % intervals; reported of the untouched photos too",
        ["defect", "planted", "recall", "precision", "untouched"],
        rows,
    )
    both = flipped["found"] / max(1, flipped["found"] + flipped["wrong"] + results["doubted_in_untouched_too"])
    print(f"\nPrecision of doubted labels where every doubt about the untouched photos counts as wrong: {both:.3f}")
    if arguments.limit is not None:
        print("A sample: the targets are for the whole set.")


def _doubts(untouched: dict[str, Any]) -> str:
    return str(len(untouched["files"].get("suspect_label", ())))


def _cells(count: dict[str, Any] | None) -> list[str]:
    if count is None:
        return ["-", "-"]
    wrong = f" ({count['wrong']} wrong)" if count["wrong"] else ""
    return [_share(count["recall"], interval=True), _share(count["precision"], interval=True) + wrong]


def _share(measured: dict[str, Any] | None, *, interval: bool = False) -> str:
    if measured is None:
        return "-"
    low, high = measured["interval"]
    return f"{measured['value']:.3f}" + (f" ({low:.3f}-{high:.3f})" if interval else "")


def _verdict(kind: str, count: dict[str, Any] | None) -> str:
    if kind not in TARGETS or count is None:
        return "-"
    recall, precision = TARGETS[kind]
    reached = count["recall"]["value"] >= recall and count["precision"] and count["precision"]["value"] >= precision
    return "reached" if reached else "not reached"


if __name__ == "__main__":
    main()
