"""The runs of a study, one after the other, in one folder: found finished, taken up, or made; then told together."""

from __future__ import annotations

import datetime
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from photograft.config import Config, load_config, to_yaml
from photograft.data.files import printable
from photograft.errors import ConfigError, ModelError, PhotograftError
from photograft.evaluation.paired import Judged, compare
from photograft.reporting.judged import read_judged
from photograft.reporting.study_document import build_study, comparison_row, variant_row
from photograft.reporting.study_page import render_study
from photograft.tracking.run_folder import RunFolder, open_run
from photograft.workflow.language import page_language
from photograft.workflow.narrator import Narrator
from photograft.workflow.pretrain import SHEET, pretrain, resume_pretraining
from photograft.workflow.resolve import with_whole_paths
from photograft.workflow.resume import has_begun
from photograft.workflow.split import split
from photograft.workflow.train import resume, train
from photograft.workflow.variants import Variant, compared_pairs

STUDY = "study.json"
_SPLITS, _DIVIDED = "splits.csv", "split.yaml"
"""The split of all variants, and the settings that it was drawn by."""


class StudyRuns:
    """The variants of a study in the folder `place`: `run` makes what is not there, and `document` says what came.

    `divide` are the settings that the photos are divided by, once for all. `errors` has what made a variant fail, by
    its title.
    """

    def __init__(
        self,
        place: RunFolder,
        photos: Path,
        variants: Sequence[Variant],
        *,
        name: str,
        assignments: Sequence[str],
        divide: Config | None,
        narrator: Narrator,
    ) -> None:
        self.place, self.photos, self.variants, self.narrator = place, photos, variants, narrator
        self.name, self.assignments, self.divide = name, assignments, divide
        self.document: Mapping[str, Any] = {}
        self.errors: dict[str, Exception] = {}
        self._data = printable(photos.absolute().name or photos)
        self._runs: dict[str, Path] = {}
        self._judged: dict[str, Judged] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._compared: dict[tuple[str, str], dict[str, Any]] = {}

    def run(self, *, new: bool) -> None:
        """Run every variant; study.json and study.html are written anew after each.

        A `new` folder is removed again where the photos cannot be divided.
        """
        with self.place.removed_on_failure() if new else nullcontext():
            if not new:
                self._require_same_data()
            divided = self._divide()
            if new:
                self._write()  # from now on it is a study that can be gone on with
        for number, variant in enumerate(self.variants, 1):
            title = variant.title
            self.narrator.say(f"\n{title} ({number} of {len(self.variants)}): {variant.recipe.reproduces}")
            try:
                config = self._settings(variant, divided)
                run = self._find(variant, config) or self._make(variant, config)
                self._rows[title] = self._row(variant, run)
                self._runs[title] = run
            except Exception as error:  # whatever it is, the other variants are not lost
                self.errors[title] = error
                words = _in_words(error)
                self._rows[title] = variant_row(variant.recipe, title=title, missing=variant.missing, error=words)
                self.narrator.say(f"{title} failed: {words}")
            self._compare()
            self._write()

    def _require_same_data(self) -> None:
        """Refuse to tell runs on other photos as runs on these. The folder may have moved, so its name is compared."""
        if not (self.place.path / STUDY).is_file():
            return
        try:
            known = str(json.loads(self.place.read(STUDY))["data"])
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"--into: {self.place.path / STUDY} is damaged: remove it and run again.") from error
        if not _is_same_name(known, self._data):
            raise ConfigError(
                f"--into: {self.place.path} is a study of {known}, not of {self._data}: give the same photos with "
                "--data, or leave --into away."
            )

    def _divide(self) -> Config | None:
        """Draw the split of all variants, or find it drawn; gives the settings that it was drawn by."""
        config = self.divide
        if config is None or config.split.file is not None:
            return None
        written = to_yaml(Config(data=config.data, split=config.split))
        file, settings = self.place.path / _SPLITS, self.place.path / _DIVIDED
        if not file.is_file():
            self.narrator.say("Dividing the photos, once for all variants ...")
            done = split(self.photos, file, config=config, narrator=self.narrator)
            self.narrator.say(done.splits.statement)
            self.place.write(_DIVIDED, written)
        elif not settings.is_file() or settings.read_text(encoding="utf-8") != written:
            raise ConfigError(
                f"--into: the photos of {self.place.path} were divided by other settings of data or split: give the "
                "same ones, or leave --into away."
            )
        return config

    def _settings(self, variant: Variant, divided: Config | None) -> Config:
        """The settings of a variant, with the run that it needs and the split that all share."""
        config, recipe = variant.config, variant.recipe
        if recipe.needs:
            runs = [self._runs[each.title] for each in self.variants
                    if each.recipe.name == recipe.needs and each.title in self._runs]  # fmt: skip
            if not runs:
                raise ConfigError(f"it needs the run of {recipe.needs}, which failed")
            model = config.model.model_copy(update={"backbone": f"run:{runs[0].absolute()}"})
            config = config.model_copy(update={"model": model})
        # Pretraining has no parts of its own, and leaves the test photos of the others out.
        if divided is not None and (recipe.verb == "pretrain" or config.split == divided.split):
            shared = config.split.model_copy(update={"file": self.place.path / _SPLITS})
            config = config.model_copy(update={"split": shared})
        if config.report.robustness_s == "auto":  # a study is read as one table, which says nothing of worse photos
            config = config.model_copy(update={"report": config.report.model_copy(update={"robustness_s": 0.0})})
        return with_whole_paths(config)

    def _find(self, variant: Variant, config: Config) -> Path | None:
        """A run of these settings that is finished in the folder, or can be finished."""
        for folder in self._folders(variant):
            asked = folder / "config.yaml"
            if not asked.is_file() or asked.read_text(encoding="utf-8") != to_yaml(config):
                continue
            if has_begun(RunFolder(folder)):
                goes_on = resume if variant.recipe.verb == "train" else resume_pretraining
                return goes_on(folder, narrator=self.narrator).run
            if (folder / "checksums.json").is_file():
                self.narrator.say(f"Finished before: {folder}")
                return folder
        return None

    def _folders(self, variant: Variant) -> Iterator[Path]:
        pattern = re.compile(rf"\d{{4}}-\d\d-\d\d-{re.escape(variant.run_name)}(-\d+)?")
        return (each for each in sorted(self.place.path.iterdir()) if pattern.fullmatch(each.name))

    def _make(self, variant: Variant, config: Config) -> Path:
        begin = train if variant.recipe.verb == "train" else pretrain
        name, runs_dir = variant.run_name, self.place.path
        return begin(self.photos, name=name, runs_dir=runs_dir, config=config, narrator=self.narrator).run

    def _row(self, variant: Variant, run: Path) -> dict[str, Any]:
        """What a run came to, read from its folder."""
        facts: dict[str, Any] = {"title": variant.title, "missing": variant.missing, "run": run.name}
        folder = open_run(run)
        try:
            report = json.loads(folder.read("report.json"))
        except ValueError as error:
            raise ModelError(
                f"{run}: report.json is damaged ({error}): remove the folder, and run it again."
            ) from error
        if variant.recipe.verb == "pretrain":
            return variant_row(variant.recipe, **facts, pretraining=report)
        self._judged[variant.title] = read_judged(run, name=variant.title)
        return variant_row(variant.recipe, **facts, report=report)

    def _compare(self) -> None:
        for a, b in compared_pairs(self.variants):
            pair = (a.title, b.title)
            if pair in self._compared or not {*pair} <= {*self._judged}:
                continue
            try:
                compared = comparison_row(*pair, compare(self._judged[a.title], self._judged[b.title]))
            except PhotograftError as error:
                compared = comparison_row(*pair, str(error))
            self._compared[pair] = compared

    def _write(self) -> None:
        self.document = build_study(
            study=self.name,
            data=self._data,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            assignments=self.assignments,
            planned=len(self.variants),
            variants=list(self._rows.values()),
            comparisons=list(self._compared.values()),
            language=_page_language(self.assignments),
        )
        self.place.write_json(STUDY, self.document)
        self.place.write("study.html", render_study(self.document, sheets=self._sheets()))

    def _sheets(self) -> dict[str, bytes]:
        files = {title: run / SHEET for title, run in self._runs.items()}
        return {title: file.read_bytes() for title, file in files.items() if file.is_file()}


def _page_language(assignments: Sequence[str]) -> str:
    """That which was set for all variants, else the user's."""
    asked = [each for each in assignments if each.startswith("report.language=")]
    return page_language(load_config(None, asked).report.language)


def _is_same_name(a: str, b: str) -> bool:
    return unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b)


def _in_words(error: Exception) -> str:
    if isinstance(error, PhotograftError | OSError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}"
