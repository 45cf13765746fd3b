from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from photograft.contract import make_contract
from photograft.inference.compose import compose, compose_targets, factors_of, tabulate, weigh
from photograft.metrics.links import adjust, probabilities
from photograft.models.bundle_rows import (
    BundleInfo,
    ContractRow,
    FactorRow,
    HeadRow,
    JointRow,
    MemberRow,
    NetworkRow,
    TargetRow,
    ViewRow,
)
from photograft.values import HeadKind


def target(name: str, classes: tuple[str, ...], temperature: float = 1.0, **more: object) -> TargetRow:
    calibration = {"temperature": temperature}
    return TargetRow(name=name, classes=classes, members=(MemberRow(head=name),), calibration=calibration, **more)


def joint(*names: str, temperature: float = 1.0) -> JointRow:
    return JointRow(targets=names, calibration={"temperature": temperature})


MASK = target("mask", ("off", "on"), 2.0)
AGE = target("나이", ("<30", "30-60", ">=60"), 0.5, order=True)
KINDS: dict[str, HeadKind] = {"mask": "binary", "나이": "ordinal"}
LOGITS = {
    "mask": np.array([[0.5], [-2.0], [3.0]]),
    "나이": np.array([[0.1, 1.0], [2.0, -0.3], [-1.0, 0.0]]),
}


def test_a_target_is_its_link_at_its_temperature_and_then_adjusted() -> None:
    row = target("x", ("a", "b", "c"), 1.7, prior_adjust={"power": 0.8, "shares": (0.7, 0.2, 0.1)})
    logits_NK = np.random.default_rng(0).normal(size=(5, 3))
    found = compose_targets({"x": logits_NK}, [row], None, kinds={"x": "softmax"})
    plain_NK = probabilities("softmax", logits_NK, temperature=1.7)
    wanted_NK = adjust(plain_NK, np.array([0.7, 0.2, 0.1]), power=0.8)
    assert np.array_equal(found.probabilities_NK, wanted_NK) and not np.allclose(wanted_NK, plain_NK)
    assert found.classes == ("a", "b", "c") and found.factors == {} and set(found.by_target) == {"x"}


def test_several_targets_are_multiplied_in_the_order_of_their_names() -> None:
    found = compose_targets(LOGITS, [MASK, AGE], joint("mask", "나이"), kinds=KINDS)
    assert found.classes == tuple(" | ".join(each) for each in product(MASK.classes, AGE.classes))
    mask_NK, age_NK = found.by_target["mask"], found.by_target["나이"]
    for k, (i, j) in enumerate(product(range(2), range(3))):
        assert found.probabilities_NK[:, k] == pytest.approx(mask_NK[:, i] * age_NK[:, j])
    assert found.probabilities_NK.sum(axis=1) == pytest.approx(1) and found.factors is found.by_target
    mask, age = factors_of([MASK, AGE], joint("mask", "나이"))
    values = zip(mask.value_K, age.value_K, strict=True)
    assert tuple(f"{mask.classes[i]} | {age.classes[j]}" for i, j in values) == found.classes


@pytest.mark.parametrize("temperature", [0.01, 0.5, 3.0])
def test_the_joint_temperature_is_a_power(temperature: float) -> None:
    plain = compose_targets(LOGITS, [MASK, AGE], joint("mask", "나이"), kinds=KINDS)
    found = compose_targets(LOGITS, [MASK, AGE], joint("mask", "나이", temperature=temperature), kinds=KINDS)
    log_NK = np.log(plain.probabilities_NK) / temperature
    wanted_NK = np.exp(log_NK - log_NK.max(axis=1, keepdims=True))
    assert np.allclose(found.probabilities_NK, wanted_NK / wanted_NK.sum(axis=1, keepdims=True))
    assert np.array_equal(found.by_target["나이"], plain.by_target["나이"])


def test_factors_of_a_flat_target_are_sums_over_its_classes() -> None:
    classes = ("off | <30", "on | <30", "on | >=60")
    factors = (FactorRow(name="mask", classes=("off", "on")), FactorRow(name="나이", classes=(">=60", "<30", "?")))
    row = target("label", classes, factors=factors)
    found = compose_targets({"label": np.log([[0.2, 0.5, 0.3]])}, [row], None, kinds={"label": "softmax"})
    assert found.factors["mask"] == pytest.approx(np.array([[0.2, 0.8]]))
    assert found.factors["나이"] == pytest.approx(np.array([[0.3, 0.7, 0.0]]))
    table = tabulate(found, [row], None, paths=["a.jpg"], label_N=np.array([2]))
    assert {name: (p.classes, p.label_N.tolist()) for name, p in table.factors} == {
        "mask": (("off", "on"), [1]),
        "나이": ((">=60", "<30", "?"), [0]),
    }


def test_a_table_has_labels_of_factors_and_blanks_for_rejected_photos() -> None:
    logits = {name: np.vstack([each, np.full(each.shape[1], np.nan)]) for name, each in LOGITS.items()}
    rule = joint("mask", "나이", temperature=2.0)
    found = compose_targets(logits, [MASK, AGE], rule, kinds=KINDS)
    label_N = np.array([0, 5, -1, 3])
    table = tabulate(found, [MASK, AGE], rule, paths=list("abcd"), label_N=label_N, reasons=["", "", "", "empty"])
    assert table.statuses == ("ok", "ok", "ok", "rejected") and np.isnan(table.probabilities_NK[3]).all()
    factors = dict(table.factors)
    assert factors["mask"].label_N.tolist() == [0, 1, -1, 1] and factors["나이"].label_N.tolist() == [0, 2, -1, 0]
    assert np.isnan(factors["mask"].probabilities_NK[3]).all() and factors["mask"].reasons == table.reasons
    assert factors["나이"].best_N.tolist() == [*found.by_target["나이"][:3].argmax(axis=1), -1]
    unknown = tabulate(found, [MASK, AGE], rule, paths=list("abcd"))
    assert unknown.label_N.tolist() == [-1] * 4 and dict(unknown.factors)["mask"].label_N.tolist() == [-1] * 4


def test_several_labels_stand_alone_with_their_thresholds() -> None:
    row = target("label", ("dog", "cat"), thresholds=(0.2, 0.9))
    found = compose_targets({"label": np.array([[0.0, 0.0], [-5.0, 5.0]])}, [row], None, kinds={"label": "sigmoid"})
    member_NK = np.array([[True, True], [False, True]])
    table = tabulate(found, [row], None, paths=["a", "b"], member_NK=member_NK)
    assert table.given_NK.tolist() == [[True, False], [False, True]] and table.member_NK is member_NK
    assert table.label_N.tolist() == [-1, -1] and table.factors == ()


def test_logits_of_members_are_weighed_and_added() -> None:
    one_NM, two_NM = np.ones((2, 3), np.float32), np.full((2, 3), 4, np.float32)
    assert weigh([one_NM, two_NM], [0.25, 0.5]).tolist() == [[2.25] * 3] * 2
    assert weigh([one_NM], [1.0]).dtype == np.float64


def test_no_photo_gives_no_row() -> None:
    rule = joint("mask", "나이", temperature=2.0)
    found = compose_targets({name: each[:0] for name, each in LOGITS.items()}, [MASK, AGE], rule, kinds=KINDS)
    assert found.probabilities_NK.shape == (0, 6)
    assert tabulate(found, [MASK, AGE], rule, paths=[]).paths == ()


def test_composing_a_bundle_is_composing_its_targets() -> None:
    contract = make_contract(16)
    rows = [
        target("mask", MASK.classes, 2.0).model_copy(
            update={"members": (MemberRow(head="m1", weight=0.25), MemberRow(head="m2", weight=0.75))}
        ),
        AGE.model_copy(update={"members": (MemberRow(head="a"),)}),
    ]
    kinds = {"m1": "binary", "m2": "binary", "a": "ordinal"}
    info = BundleInfo(
        format=1,
        licences={},
        inputs={},
        contracts=(ContractRow(id=contract.id, contract=contract),),
        networks=(NetworkRow(id="n", file="n", sha256="", contract=contract.id, outputs={}, source={}),),
        views=(ViewRow(network="n", flip=False),),
        heads=tuple(HeadRow(id=name, network="n", weights=name, kind=kind) for name, kind in kinds.items()),
        targets=tuple(rows),
        joint=joint("mask", "나이"),
        tested={},
    )
    heads = {"m1": LOGITS["mask"] * 4, "m2": LOGITS["mask"] * 0, "a": LOGITS["나이"]}
    found = compose(heads, info)
    wanted = compose_targets(LOGITS, [MASK, AGE], joint("mask", "나이"), kinds=KINDS)
    assert np.allclose(found.probabilities_NK, wanted.probabilities_NK) and found.classes == info.classes
