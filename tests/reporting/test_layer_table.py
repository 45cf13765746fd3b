from __future__ import annotations

from dataclasses import replace

from photograft.reporting.layer_table import summary_text
from photograft.values import Layer, Summary

from .training_examples import make_summary


def test_the_table_is_aligned_and_counts_both_ways() -> None:
    assert [line.replace("\u00a0", " ") for line in summary_text(make_summary())] == [
        "Layer               Kind            Output      Parameters  Statistics  Learning rate",
        "conv_stem           Conv2d          32×112×112         864           –  frozen",
        "bn1                 BatchNormAct2d  32×112×112          64          64  frozen",
        "blocks.4.0.conv_pw  Conv2d          672×14×14       75,264           –  frozen",
        "blocks.5.0.conv_pw  Conv2d          672×14×14      150,528           –  0.0004",
        "blocks.5.0.bn1      BatchNormAct2d  672×14×14        1,344       1,344  0.0004",
        "head                Linear          5               10,645           –  0.001",
        "",
        "                         Parameters  Share  With statistics",
        "All                         238,709                 240,117",
        "Trainable                   162,517   68 %          162,517",
        "Frozen                       76,192                  77,600",
        "Statistics of BatchNorm           –                   1,408",
        "",
        "162,517 of 238,709 parameters (68 %) train: everything from blocks.5 on; BatchNorm frozen. "
        "This trains 68 % of the network, not its last block alone.",
    ]


def test_a_block_that_is_most_of_its_network_is_said_so() -> None:
    said = summary_text(replace(make_summary(), graft="last-block"))[-1].replace("\u00a0", " ")
    assert said.endswith("This trains 68 % of the network: its last block is most of it.")


def test_a_network_that_trains_as_a_whole_is_said_so() -> None:
    layers = tuple(replace(layer, frozen=False, lr=1e-5) for layer in make_summary().layers)
    whole = Summary("all", "", "moved", layers)
    assert summary_text(whole)[-1] == "All 238,709 parameters train; BatchNorm moved along."
    assert "0.00001" in summary_text(whole)[1]
    scratch = summary_text(replace(whole, graft="scratch"))
    assert scratch[-1] == "All 238,709 parameters train, from random weights; BatchNorm moved along."


def test_batchnorm_of_hidden_layers_is_said_to_move() -> None:
    *frozen, head = (replace(layer, frozen=True, lr=None) for layer in make_summary().layers)
    hidden = Layer("hidden.0.batchnorm", "BatchNorm1d", (8,), 16, 16, False, 1e-3)
    tuned = Summary("layer:hidden", "hidden", "frozen", (*frozen, hidden, replace(head, frozen=False)))
    assert "; BatchNorm frozen, save in hidden layers." in summary_text(tuned)[-1]
    alone = replace(tuned, layers=tuple(layer for layer in tuned.layers if layer is hidden or not layer.statistics))
    assert "; BatchNorm moved along." in summary_text(alone)[-1]
    kept = replace(tuned, layers=(*frozen, replace(hidden, frozen=True), head))
    assert "; BatchNorm frozen." in summary_text(kept)[-1]


def test_nothing_is_said_of_batchnorm_where_there_is_none() -> None:
    vit = Summary("last-block", "head", "frozen", (Layer("a", "Attention", (), 999_000, 0, True),
                                                   Layer("head", "Linear", (2,), 1_000, 0, False, 1e-3)))  # fmt: skip
    assert summary_text(vit)[-1].replace("\u00a0", " ") == (
        "1,000 of 1,000,000 parameters (0.1 %) train: everything from head on."
    )


def test_an_empty_summary_is_still_a_table() -> None:
    assert summary_text(Summary("head", "", "frozen", ()))[0].startswith("Layer")


def test_a_hostile_name_cannot_move_the_cursor() -> None:
    layer = Layer("\x1b[2Ja\nb", "Linear", (2,), 1, 0, False, 0.1)
    lines = summary_text(Summary("all", "", "frozen", (layer,)))
    assert not [line for line in lines if "\x1b" in line or "\n" in line]
