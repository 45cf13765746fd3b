"""Every error photograft raises on purpose.

::

    PhotograftError            1   something photograft did not expect
    ├── ConfigError            2   a setting, flag or argument is wrong
    │   └── MissingExtraError  2   an optional part is not installed
    ├── DataError              3   the photos or their labels need the user's attention
    ├── ModelError             4   a bundle or network was refused
    │   └── IntegrityError     4   a file of a bundle is damaged or was changed
    ├── TrainingError          5   training could not give a usable model
    └── ImageRejected          3   one photo cannot be used (counted and skipped by every verb)

The number is the exit code of the command line. A message says what is wrong, where, and what to do next,
so that it can be shown to the user without a traceback.
"""

from __future__ import annotations


class PhotograftError(Exception):
    """Base of all errors that photograft raises on purpose."""

    exit_code = 1


class ConfigError(PhotograftError):
    """A setting, flag or argument is wrong; the message names it and the values that would work."""

    exit_code = 2


class MissingExtraError(ConfigError):
    """An optional part is not installed; the message holds the install command."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part that is not installed: pip install 'photograft[{extra}]'")


class DataError(PhotograftError):
    """The photos, their labels or the split asked of them need the user's attention."""

    exit_code = 3


class ModelError(PhotograftError):
    """A bundle, a run or a network was refused."""

    exit_code = 4


class IntegrityError(ModelError):
    """A file of a bundle is damaged, missing or was changed; the message names it."""


class TrainingError(PhotograftError):
    """Training could not give a usable model."""

    exit_code = 5


class ImageRejected(DataError):
    """One file cannot be used as a photo.

    `verdict` is one of `photograft.values.VERDICTS` other than ``ok``; `reason` is for people.
    """

    def __init__(self, verdict: str, reason: str) -> None:
        super().__init__(f"{verdict}: {reason}")
        self.verdict = verdict
        self.reason = reason
