"""The decoder of the server's photos, by itself."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from photograft.errors import ImageRejected
from photograft.models.bundle import read_bundle
from photograft.serving.decoding import Decoder
from photograft.workflow.train import TrainedRun

from .served import slow_photo


def test_what_is_known_to_take_too_long_keeps_nothing_of_later_requests(tiny_run: TrainedRun) -> None:
    contracts = read_bundle(tiny_run.bundle).contracts
    decoder = Decoder(contracts, workers=1, photo_s=0.5, most_pixels=50_000_000)
    raised = []
    try:
        for _ in range(3):
            with pytest.raises(ImageRejected, match="timeout") as caught:
                asyncio.run(decoder.decode(slow_photo()))
            raised.append(caught.value)
    finally:
        decoder.close()
    _, second, third = raised
    # An exception that is raised again holds the frames of every time, and in them the bodies of the requests.
    assert second is not third
    assert len(traceback.extract_tb(second.__traceback__)) == len(traceback.extract_tb(third.__traceback__))
