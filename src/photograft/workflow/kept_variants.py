"""Embeddings of worse photos in the cache: a second run with the same networks and photos computes none of them.

Networks that were fine-tuned are another one in every run, so that nothing of them is kept.
"""

from __future__ import annotations

import numpy as np

from photograft.data.corruptions import REVISION
from photograft.data.scan import decoder_key
from photograft.evaluation.robustness import VARIANTS
from photograft.inference.classifier import Classifier
from photograft.models.bundle_rows import NetworkRow
from photograft.tracking.cache import Cache
from photograft.values import FloatArray, Photo

_COST = "what a photo costs"


class KeptVariants:
    """The embeddings (V, D) of photos as every variant, by network and photo, and the seconds that a photo takes."""

    def __init__(self, classifier: Classifier, cache: Cache, *, seed: int) -> None:
        self._cache = cache
        self._spaces: dict[str, str] = {}
        for row in classifier.bundle.info.networks:
            if row.cut == "head":
                contract = classifier.bundle.contracts[row.contract]
                view = classifier.bundle.info.views_of(row.id).names[0]
                self._spaces[row.id] = (
                    f"worse {REVISION} {seed}/{contract.id}/{decoder_key(contract)}/{view}/{row.sha256}"
                )
        whole = len(self._spaces) == len(classifier.bundle.info.networks)
        self._run = "/".join(sorted(self._spaces.values())) if whole else ""

    def find(self, row: NetworkRow, photo: Photo) -> FloatArray | None:
        """What was kept of a photo, if anything."""
        space = self._spaces.get(row.id)
        if space is None:
            return None
        found = next(self._cache.find_features(space, [photo.content]), None)
        return None if found is None else found[1].reshape(len(VARIANTS), -1)

    def keep(self, row: NetworkRow, photo: Photo, embedding_VD: FloatArray) -> None:
        """Keep it for the next run."""
        if space := self._spaces.get(row.id):
            self._cache.remember_features(space, [photo.content], embedding_VD.reshape(1, -1).astype(np.float32))

    @property
    def cost_s(self) -> float | None:
        """Seconds of one photo, as measured when none was kept: later runs then look at the same photos."""
        entry = self._cache.find_scan(_COST, self._run) if self._run else None
        return None if entry is None else float(entry["seconds"])

    def keep_cost(self, seconds: float) -> None:
        """Keep them for the next run."""
        if self._run:
            self._cache.remember_scan(_COST, self._run, {"seconds": seconds})
