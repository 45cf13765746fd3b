"""Photos of requests become pixels in killable processes, so that a hostile one costs nobody else much.

A photo gets a short time first. One that takes longer goes on in a process of its own, in which others of its kind wait
too; so photos of the usual kind never wait behind them. What ended or exhausted a process is known by its content from
then on, and is not tried again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from photograft.contract import Contract
from photograft.data.images import Decoded
from photograft.data.pool import DIED, DecodePool
from photograft.errors import ImageRejected
from photograft.values import PixelArray

_QUICK_S = 0.5
"""CPU seconds of the first try: five times what a photo of 12 megapixels needs in its slowest usual form."""

_SLOW_AT_ONCE = 4
"""Photos that need longer and wait for their process."""

_KNOWN = 1024


@dataclass(frozen=True)
class Photo:
    """A decoded photo: its pixels (px, px, 3) by contract, and its size when upright."""

    pixels: dict[str, PixelArray]
    width: int
    height: int


class Decoder:
    """Decodes photos for the event loop; `close` ends its processes."""

    def __init__(
        self, contracts: Mapping[str, Contract], *, workers: int | None, photo_s: float, most_pixels: int
    ) -> None:
        allowed = {key: _with_limit(each, most_pixels) for key, each in contracts.items()}
        self._has_slow = photo_s > _QUICK_S
        quick_s = min(_QUICK_S, photo_s)
        self._quick = {key: DecodePool(each, workers=workers, timeout_s=quick_s) for key, each in allowed.items()}
        self._slow = {key: DecodePool(each, workers=1, timeout_s=photo_s) for key, each in allowed.items()}
        self._n_slow = 0
        self._bad: OrderedDict[bytes, ImageRejected] = OrderedDict()

    async def decode(self, data: bytes) -> Photo:
        """Pixels of one file.

        Raises:
            ImageRejected: It cannot be used as a photo, or needs long where others that do are waiting already.
        """
        if self._bad and (known := self._bad.get(hashlib.sha256(data).digest())):
            # Anew, since one that is raised again holds all that it was ever raised in: every one of these photos.
            raise ImageRejected(known.verdict, known.reason)
        try:
            return await _decode(self._quick, data)
        except ImageRejected as rejected:
            if rejected.verdict != "timeout" or not self._has_slow:
                self._remember(data, rejected)
                raise
        if self._n_slow >= _SLOW_AT_ONCE:
            raise ImageRejected("timeout", "too many photos that take long to decode are waiting; send it again later")
        self._n_slow += 1
        try:
            return await _decode(self._slow, data)
        except ImageRejected as rejected:
            self._remember(data, rejected)
            raise
        finally:
            self._n_slow -= 1

    def close(self) -> None:
        """End the processes."""
        for pool in (*self._quick.values(), *self._slow.values()):
            pool.close()

    def _remember(self, data: bytes, rejected: ImageRejected) -> None:
        if rejected.verdict == "timeout" or DIED in rejected.reason:
            self._bad[hashlib.sha256(data).digest()] = ImageRejected(rejected.verdict, rejected.reason)
            if len(self._bad) > _KNOWN:
                self._bad.popitem(last=False)


def _with_limit(contract: Contract, most_pixels: int) -> Contract:
    """The same contract, with no more pixels than the server allows."""
    decode = contract.decode.model_copy(update={"max_pixels": min(contract.decode.max_pixels, most_pixels)})
    return contract.model_copy(update={"decode": decode})


async def _decode(pools: Mapping[str, DecodePool], data: bytes) -> Photo:
    futures: dict[str, Future[Decoded]] = {key: pool.submit(data) for key, pool in pools.items()}
    done: dict[str, Decoded] = {}
    try:
        for key, future in futures.items():
            done[key] = await asyncio.wrap_future(future)
    finally:
        for future in futures.values():
            future.cancel()
    first = next(iter(done.values()))
    return Photo({key: each.pixels for key, each in done.items()}, first.width, first.height)
