"""Photos of an index that are like one that was sent."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool

from photograft.data.files import printable
from photograft.serving.guard import Refused
from photograft.serving.service import Service
from photograft.workflow.search import Match, NothingToSearchError, PhotoIndex


class SimilarPhotos:
    """An index, asked with the embedding of the server's own pass where it was made with the same network."""

    def __init__(self, index: PhotoIndex, service: Service) -> None:
        self.index, self._service = index, service
        self._network = index.network_of(service.first.bundle)

    async def of(self, data: bytes, *, top: int, label: str | None, folder: str | None) -> list[dict[str, Any]]:
        """Rows of the most similar photos.

        Raises:
            ImageRejected: The photo cannot be used.
            Refused: No photo has this label, or lies in this folder.
        """
        answered = await self._service.answer(data)  # also where it is not needed: it keeps hostile files out
        chosen: dict[str, Any] = {"top": top, "label": label, "folder": folder}
        try:
            if self._network is None:
                matches = await run_in_threadpool(self.index.query, data, **chosen)
            else:
                embedding_D = answered.embeddings[self._network][0]
                matches = await run_in_threadpool(self.index.nearest, embedding_D, **chosen)
        except NothingToSearchError as error:
            asked = {"has this label": label, "lies in this folder": folder}
            what = " and ".join(words for words, value in asked.items() if value is not None)
            message = f"No photo of the index {what}; {printable(error.instead)}."
            raise Refused(422, "nothing_to_search", message) from error
        return [_row(each) for each in matches]


def _row(match: Match) -> dict[str, Any]:
    return {
        "id": match.id,
        "path": printable(match.path),
        "label": match.label,
        "similarity": round(match.similarity, 6),
        "same": match.same,
        "thumbnail": f"/v1/thumbnails/{match.id}",
    }
