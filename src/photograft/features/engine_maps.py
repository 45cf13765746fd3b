"""An exported network that also gives the maps which its embedding is made of, in the same pass.

Shape letters: N photos, D numbers of the embedding, C channels, h and w sides of a map.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photograft.features.engine_onnx import OnnxEngine, open_session, photos_at_once
from photograft.models.onnx_graph import PooledPart, Pooling, pooled_parts, with_outputs
from photograft.values import FloatArray, PixelArray

_TOLERANCE = 1e-3
"""Largest difference, in units of the largest value, of what a part says and what its map gives."""


@dataclass(frozen=True)
class MapPart:
    """A part of the embeddings of N photos: where it stands in them, how it is pooled, and the map that it comes from.

    `map_NChw` is None where the values come from no map in a way that is known.
    """

    place: slice
    pooling: Pooling
    map_NChw: FloatArray | None


class MapEngine(OnnxEngine):
    """A network in ONNX Runtime that also gives the maps behind its embeddings."""

    def __init__(self, network: Path, *, threads: int | None = None) -> None:
        content = network.read_bytes()
        self._parts = pooled_parts(content)
        names = tuple(dict.fromkeys(part.name for part in self._parts))
        self._batch = photos_at_once(threads)
        known = ("embedding", "feature_map")
        more = tuple(name for name in names if name not in known)
        self._session = open_session(network, content=with_outputs(content, more), threads=threads)
        self.px = int(self._session.get_inputs()[0].shape[1])

    def embed_with_maps(self, pixels_NHWC: PixelArray) -> tuple[FloatArray, tuple[MapPart, ...]]:
        """Embedding (N, D), and its parts with their maps, of a few photos at once."""
        names = list(dict.fromkeys(part.name for part in self._parts if part.name != "embedding"))
        embedding_ND, *found = self._session.run(["embedding", *names], {"pixels": np.ascontiguousarray(pixels_NHWC)})
        tensors = {"embedding": embedding_ND, **dict(zip(names, found, strict=True))}
        parts, at = [], 0
        for part in self._parts:
            made = _as_made(part, tensors[part.name], embedding_ND[:, at:])
            parts.append(MapPart(slice(at, at + made[1]), part.pooling if made[0] is not None else "unknown", made[0]))
            at += made[1]
        if at != embedding_ND.shape[1]:  # the graph was not understood
            return embedding_ND, (MapPart(slice(0, embedding_ND.shape[1]), "unknown", None),)
        return embedding_ND, tuple(parts)


def _as_made(part: PooledPart, tensor: FloatArray, values_ND: FloatArray) -> tuple[FloatArray | None, int]:
    """The map with channels first, None where it does not give the values; and how many values it gives."""
    if part.pooling != "unknown" and tensor.ndim == 4:
        for map_NChw in (tensor, tensor.transpose(0, 3, 1, 2)):
            pooled_NC = pool(map_NChw, part.pooling)
            size = pooled_NC.shape[1]
            if size <= values_ND.shape[1] and _agree(pooled_NC, values_ND[:, :size]):
                return map_NChw, size
    return None, tensor.shape[1] if tensor.ndim == 2 else values_ND.shape[1]


def pool(map_NChw: FloatArray, pooling: Pooling) -> FloatArray:
    """The values (N, D) of a part of the embedding, from its map."""
    if pooling == "mean":
        return np.asarray(map_NChw.mean(axis=(2, 3), dtype=np.float64), np.float32)
    return np.asarray(map_NChw.max(axis=(2, 3)) if pooling == "max" else map_NChw.reshape(len(map_NChw), -1))


def _agree(one: FloatArray, other: FloatArray) -> bool:
    scale = max(float(np.abs(other).max(initial=0)), 1e-6)
    return bool(np.abs(one - other).max(initial=0) <= _TOLERANCE * scale)
