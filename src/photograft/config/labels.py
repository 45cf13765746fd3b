"""Settings of the labels: where they come from, and which columns or parts of a path hold what."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from photograft.config.section import Section


class LabelsConfig(Section):
    """Where labels come from, and which columns (of a table, or of a pattern on the path) hold what."""

    from_: str = Field(default="auto", alias="from")
    """`auto`, `folders`, `pattern`, `voc`, `coco`, `yolo`, or a CSV or JSONL file whose paths are relative to the
    photos. `auto` reads a table where one is given instead of a folder, the pattern where it holds the label, else
    class folders."""

    path: str | None = None
    """Column of the file's path; null finds it by name (path, file, filename, file_name, image, ...)."""

    column: str | None = None
    """Column of the label; null finds it by name (label, class, category, ...) or takes the only one left."""

    factors: tuple[str, ...] = ()
    """Columns of several factors, such as mask, gender and age; their combinations are the classes. `model.labels`
    says how they are learned."""

    order: dict[str, tuple[str, ...]] = Field(default={})
    """Classes from the lowest to the highest, by the name of the factor, `{age: ["<30", "30-60", ">=60"]}`, or `label`
    where there are no factors; a plain list belongs to the one that has these classes. Ordered classes get an ordinal
    head."""

    group: str | None = None
    """Column of the person, video or burst; photos of one group never stand on both sides of a split."""

    part: str | None = None
    """Column of the part: train, val or test."""

    separator: str | None = None
    """What separates several labels of one photo in the label column, such as `;`."""

    pattern: str | None = None
    """Pattern on the path such as `{age}_{gender}_{id}.jpg`; its names can be used like columns."""

    @field_validator("order", mode="before")
    @classmethod
    def _name_a_plain_list(cls, value: Any) -> Any:
        named = {"": value} if isinstance(value, list | tuple) else value
        if not isinstance(named, dict):
            return named
        return {name: tuple(each) if isinstance(each, list) else each for name, each in named.items()}

    @model_validator(mode="after")
    def _names_each_column_once(self) -> Self:
        if len(set(self.factors)) < len(self.factors):
            raise ValueError("data.labels.factors names a column twice")
        for name, given in (("column", self.column), ("separator", self.separator)):
            if self.factors and given is not None:
                raise ValueError(f"data.labels.{name} and data.labels.factors do not go together: give one of them")
        return self
