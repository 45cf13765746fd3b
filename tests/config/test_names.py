"""Settings whose names the user chooses in part: factors, members, and the order of classes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photograft.config import Config, as_document, explain, load_config, load_with_origins, to_yaml
from photograft.config.augment import AugmentConfig
from photograft.config.labels import LabelsConfig
from photograft.config.model import FactorConfig
from photograft.config.names import dotted_name, split_assignment, split_name
from photograft.config.reference import render
from photograft.config.tree import fields
from photograft.errors import ConfigError

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
AGES = ("<30", "30-60", ">=60")


def write(folder: Path, text: str) -> Path:
    file = folder / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(assignment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(None, [assignment])
    return str(caught.value)


def test_later_settings_of_a_factor_win_one_by_one(tmp_path: Path) -> None:
    file = write(tmp_path, "model:\n  factors:\n    age: {graft: head, px: 96}\n    성별:\n      loss: binary\n")
    loaded = load_with_origins(
        file,
        [
            "model.factors.age.graft=blocks:2",
            "model.factors.age.augment.flip=none",
            "model.factors={age: {loss: ordinal}, 성별: {balance: sqrt}}",
        ],
        **{"model.factors.마스크 착용.px": 128},
    )
    assert as_document(loaded.config)["model"]["factors"] == {
        "age": {"loss": "ordinal", "graft": "blocks:2", "px": 96, "augment": {"flip": "none"}},
        "성별": {"loss": "binary", "balance": "sqrt"},
        "마스크 착용": {"px": 128},
    }
    assert loaded.config.model.factors["age"].augment.model_fields_set == {"flip"}
    origins = {name: origin for name, origin in loaded.origins.items() if name.startswith("model.factors")}
    assert origins == {
        "model.factors.age.loss": "from --set",
        "model.factors.age.graft": "from --set",
        "model.factors.age.px": f"{file}, line 3",
        "model.factors.age.augment.flip": "from --set",
        "model.factors.성별.loss": f"{file}, line 5",
        "model.factors.성별.balance": "from --set",
        "model.factors.마스크 착용.px": "given as model.factors.마스크 착용.px",
    }


@pytest.mark.parametrize("value", ['["<30", "30-60", ">=60"]', "[<30,30-60,>=60]", "[<30, 30-60, >=60]"])
def test_order_as_a_plain_list_and_by_name(value: str) -> None:
    plain, by_key, by_value = (
        load_config(None, [f"data.labels.order{form}"]).data.labels.order
        for form in (f"={value}", f".age={value}", f"={{age: {value}}}")
    )
    assert plain == {"": AGES} and by_key == by_value == {"age": AGES}
    assert LabelsConfig.model_validate({"order": list(AGES)}).order == plain


def test_order_in_a_file(tmp_path: Path) -> None:
    file = write(tmp_path, 'data:\n  labels:\n    order: ["<30", ">=60"]\n')
    loaded = load_with_origins(file)
    assert loaded.config.data.labels.order == {"": ("<30", ">=60")}
    assert loaded.origins["data.labels.order"] == f"{file}, line 3"
    assert 'order: ["<30", ">=60"]\n' in to_yaml(loaded.config)
    both = load_config(file, ["data.labels.order.size=[s, m]"])
    assert both.data.labels.order == {"": ("<30", ">=60"), "size": ("s", "m")}
    assert load_config(write(tmp_path, to_yaml(both))) == both
    assert load_config(file, ["data.labels.order.size=[s, m]", "data.labels.order=[a, b]"]).data.labels.order == {
        "": ("a", "b")
    }
    with pytest.raises(ConfigError, match=r"line 3, column 18: a value that starts with .* must stand in quotes"):
        load_config(write(tmp_path, "data:\n  labels:\n    order: [<30, >=60]\n"))
    with pytest.raises(ConfigError, match="must stand in quotes"):
        load_config(write(tmp_path, "report:\n  positive: >=60\n"))


def test_nothing_given_as_a_whole_takes_back_what_came_before(tmp_path: Path) -> None:
    file = write(tmp_path, "ensemble:\n  members:\n    vit: {px: 96}\n    cnn: {px: 64}\n")
    assert load_config(file, ["ensemble.members={}"]).ensemble.members == {}
    members = load_config(file, ["ensemble.members.vit=null", "ensemble.members.vit.crop=center"]).ensemble.members
    assert {name: member.model_dump(exclude_unset=True) for name, member in members.items()} == {
        "vit": {"crop": "center"},
        "cnn": {"px": 64},
    }


def test_names_with_dots_and_signs(tmp_path: Path) -> None:
    file = write(tmp_path, "model:\n  factors:\n    no. of people:\n      px: 96\nmodel.graft: head\n")
    loaded = load_with_origins(file, ['model.factors."no. of people".loss=ordinal', 'model.factors."a=b".px=64'])
    assert {name: each.px for name, each in loaded.config.model.factors.items()} == {"no. of people": 96, "a=b": 64}
    assert loaded.config.model.factors["no. of people"].loss == "ordinal" and loaded.config.model.graft == "head"
    assert loaded.origins['model.factors."no. of people".px'] == f"{file}, line 4"
    assert load_config(write(tmp_path, to_yaml(loaded.config, reasons=loaded.origins))) == loaded.config
    assert explain('model.factors."no. of people".px').name == 'model.factors."no. of people".px'


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("model.factors.age.grafft=head", "no such setting; did you mean `model.factors.age.graft`?"),
        ("model.factors.age.flip=none", "did you mean `model.factors.age.augment.flip`?"),
        ("model.factor.age.graft=head", "did you mean `model.factors.age.graft`?"),
        ("factors.age.graft=head", "did you mean `model.factors.age.graft`?"),
        ("ensemble.member.vit.backbone=x", "did you mean `ensemble.members.vit.backbone`?"),
        ("data.labels.ordr.age=[a]", "did you mean `data.labels.order.age`?"),
        ("model.factors.age.zzz=1", "`photograft config explain model.factors` lists"),
        ("model.factors.age=3", "model.factors.age: is a group, not a setting; set one of its settings, such as "),
        ("model.factors=3", "such as model.factors.NAME.loss"),
        ("model.factors.graft=head", "did you mean `model.factors.NAME.graft`, with a name for NAME?"),
        ("model.factors..graft=head", "a name is missing, as in model.factors.NAME"),
        ("model.factors.age.augment=none", "such as model.factors.age.augment.views"),
        ("model.factors.age.graft=block:2", 'model.factors.age.graft: "block:2" is not possible; use `auto`'),
        ("model.factors.age.augment.flip=no", "model.factors.age.augment.flip: "),
        ("model.factors={age: {px: 8}}", "model.factors.age.px: 8 is not possible; use a whole number from 64"),
        ("data.labels.order=3", 'use a list of texts, or one for each name, for example ["3"]'),
        ("data.labels.order=<30,>=60", 'for example ["<30", ">=60"]'),
        ("data.labels.order.age=[1, 2]", "data.labels.order.age: [1, 2] is not possible; use a list of texts: put num"),
        ("data.labels.order.age.x=5", "no such setting"),
        ("model.hidden=512", "use a list of `N` or `N batchnorm`, for example [512]"),
        ("model.hidden=32 batchnorm,32", 'for example ["32 batchnorm", "32"]'),
        ("model.hidden=[32 batchnom]", '["32 batchnom"] is not possible; use a list of `N` or `N batchnorm`'),
        ("model.hidden=[100000]", "model.hidden: [100000] is not possible"),
        ("model.factors.\udcff.px=64", "text"),
    ],
)
def test_refusal_names_the_whole_name(assignment: str, words: str) -> None:
    assert words in refusal(assignment)


def test_explain_entries_and_mappings() -> None:
    graft = explain("model.factors.age.graft")
    assert graft.name == "model.factors.age.graft" and "blocks:N" in graft.choices and graft.default == "null"
    assert explain("model.factors.age.augment.flip").same_as == "augment.flip"
    names = [each.name for each in explain("model.factors").settings]
    assert "model.factors.NAME.px" in names and "model.factors.NAME.augment.flip" in names
    assert "model.factors.age.px" in [each.name for each in explain("model.factors.age").settings]
    assert "ensemble.members.NAME.backbone" in [each.name for each in explain("ensemble.members").settings]
    assert explain("data.labels.order.age").type == "list of texts"
    with pytest.raises(ConfigError, match=r"did you mean `model\.factors\.age\.graft`"):
        explain("model.factors.age.grafft")


def test_every_setting_stands_on_the_page() -> None:
    page = render()
    assert "\n## model.factors.NAME\n" in page and "\n## ensemble.members.NAME\n" in page
    missing = [name for name in fields() if name != "data.labels.order.NAME" and f"| `{name}` |" not in page]
    assert not missing
    assert "| `model.factors.NAME.augment.flip` | as `augment.flip` |" in page


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_names_read_back(parts: list[str]) -> None:
    name = dotted_name(parts)
    assert split_name(name) == tuple(parts)
    assert split_assignment(f"{name}=x=y") == (name, "x=y")


AUGMENTS = st.fixed_dictionaries({}, optional={"flip": st.just("none"), "hue": st.floats(0, 0.5)})
FACTORS = st.fixed_dictionaries(
    {}, optional={"graft": st.sampled_from(["head", "layer:a.b"]), "px": st.none() | st.just(96), "augment": AUGMENTS}
)
MEMBERS = st.fixed_dictionaries({}, optional={"backbone": NAMES, "flip": st.booleans(), "weights": NAMES})
ORDERS = st.dictionaries(NAMES | st.just(""), st.lists(NAMES, max_size=3).map(tuple), max_size=3)


@settings(max_examples=30, deadline=None)
@given(
    factors=st.dictionaries(NAMES, FACTORS, max_size=3),
    members=st.dictionaries(NAMES, MEMBERS, max_size=3),
    order=ORDERS,
)
def test_what_was_given_reads_back(
    tmp_path_factory: pytest.TempPathFactory,
    factors: dict[str, dict[str, object]],
    members: dict[str, dict[str, object]],
    order: dict[str, tuple[str, ...]],
) -> None:
    config = Config.model_validate(
        {"model": {"factors": factors}, "ensemble": {"members": members}, "data": {"labels": {"order": order}}}
    )
    read = load_config(write(tmp_path_factory.getbasetemp(), to_yaml(config)))
    assert read == config
    assert as_document(read) == as_document(config)
    given = read.model.factors
    assert {name: each.model_fields_set - {"augment"} for name, each in given.items()} == {
        name: set(each) - {"augment"} for name, each in factors.items()
    }


def test_settings_made_in_python_are_written_as_they_were_made() -> None:
    factor = FactorConfig(px=96, augment=AugmentConfig(hue=0.1))
    model = Config().model.model_copy(update={"factors": {"age": factor}})
    text = to_yaml(Config().model_copy(update={"model": model}))
    assert "    age:\n      px: 96\n      augment:\n        hue: 0.1\n  loss: auto\n" in text
