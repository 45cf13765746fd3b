"""What the server does with photos, whatever protocol they came by: predict, find similar ones, say where it looked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from photograft.config.serve import ServeConfig
from photograft.errors import ImageRejected
from photograft.inference.classifier import Prediction
from photograft.inference.golden import draw_golden_pictures
from photograft.inference.heads import Heads
from photograft.serving.batching import Answered, Batcher, House
from photograft.serving.decoding import Decoder, Photo
from photograft.serving.guard import Refused
from photograft.serving.metrics import Metrics, resident_bytes


class Service:
    """Heads behind decoder processes and a batching thread; `close` ends both, and leaves the heads."""

    def __init__(self, heads: Heads, config: ServeConfig, *, say: Callable[[str], None]) -> None:
        self.heads, self.config, self.say = heads, config, say
        self.first = heads.classifiers[heads.names[0]]
        self.metrics = Metrics()
        self.house = House(config.queue)
        self.body_bytes = int(config.body_mb * 1_000_000)
        self.most_files = min(config.files, config.queue)
        bundle = self.first.bundle
        self.most_pixels = min(config.pixels, *(each.decode.max_pixels for each in bundle.contracts.values()))
        self.decoder = Decoder(
            bundle.contracts, workers=config.decoders, photo_s=config.photo_seconds, most_pixels=self.most_pixels
        )
        self._decoding = 0
        self.batcher = Batcher(
            heads, most=config.batch, coming=lambda: self._decoding, seen=lambda n: self.metrics.batch.observe(n)
        )
        self.ready = threading.Event()
        self.metrics.watch("queue_photos", "Photos that are decoded, wait or are predicted.", lambda: self.house.inside)
        self.metrics.watch("resident_bytes", "Memory of the server without its decoders.", resident_bytes)

    async def answer(self, data: bytes) -> Answered:
        """What the heads say of a photo; raises ImageRejected."""
        return await self.batcher.run((await self.decode(data)).pixels)

    async def predict(self, data: bytes) -> dict[str, Prediction]:
        """What every head says of a photo, also of one that cannot be used."""
        try:
            said = (await self.answer(data)).predictions
        except ImageRejected as rejected:
            return self.rejected(rejected)
        self.metrics.photos.labels(said[self.heads.names[0]].status).inc()
        return said

    def rejected(self, rejected: ImageRejected) -> dict[str, Prediction]:
        """What every head says of a photo that cannot be used."""
        return dict.fromkeys(self.heads.names, Prediction("", "rejected", None, None, (), str(rejected)))

    def refuse_unready(self) -> None:
        """Raise Refused until the network is loaded and the decoders are there."""
        if not self.ready.is_set():
            raise Refused(503, "starting", "The model is being loaded.", {"retry-after": "1"})

    async def predict_each(self, photos: Sequence[bytes]) -> list[dict[str, Prediction]]:
        """What every head says of several photos, in their order."""
        if len(photos) == 1:
            return [await self.predict(photos[0])]
        tasks = [asyncio.ensure_future(self.predict(each)) for each in photos]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def decode(self, data: bytes) -> Photo:
        """Pixels of a photo; raises ImageRejected."""
        self._decoding += 1
        try:
            return await self.decoder.decode(data)
        except ImageRejected as rejected:
            self.metrics.photos.labels("rejected").inc()
            self.metrics.rejected.labels(rejected.verdict).inc()
            raise
        finally:
            self._decoding -= 1

    async def warm_up(self) -> None:
        """Start the decoder processes and load the network, so that the first request is answered as any other."""
        picture = draw_golden_pictures()["golden/picture.jpg"]
        await asyncio.gather(*(self.answer(picture) for _ in range(self.config.batch)))
        self.ready.set()

    def close(self) -> None:
        """End the thread and the processes."""
        self.decoder.close()
        self.batcher.close()
