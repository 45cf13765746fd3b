"""Names of exported networks."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

from photograft.models.catalogue import BACKBONES, RunBackbone
from photograft.models.networks import stack_id


def test_a_stack_is_named_by_its_states_and_their_order() -> None:
    frozen = BACKBONES[0]
    tuned = [make_state(sha256) for sha256 in ("a", "b", "c")]
    names = {
        stack_id(before, states, px=px, embedding=embedding)
        for before in (None, frozen)
        for states in (*permutations(tuned), *permutations(tuned, 2))
        for px in (64, 96)
        for embedding in ("multi", "last")
    }
    # Without a frozen state nothing has its embedding, but all other differences count.
    assert len(names) == 12 * 2 + 12 * 2 * 2
    assert stack_id(frozen, tuned, px=64, embedding="multi") != stack_id(
        None, [frozen, *tuned], px=64, embedding="last"
    )


def test_one_state_alone_is_a_network() -> None:
    state = make_state("a")
    assert stack_id(None, [state], px=64, embedding="multi") == state.network_id(px=64, embedding="last")
    moved = replace(state, weights=Path("elsewhere"), name="run:b")
    assert stack_id(BACKBONES[0], [moved], px=64, embedding="multi") == stack_id(
        BACKBONES[0], [state], px=64, embedding="multi"
    )


def make_state(sha256: str) -> RunBackbone:
    return RunBackbone(
        name="run:a",
        licence="Apache-2.0",
        weights_sha256=sha256,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        own_px=224,
        fixed_px=False,
        built_as="efficientnet-lite0",
        weights=Path("network.safetensors"),
    )
