"""Settings from files, assignments and flags, and back to YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photograft.config import Config, all_settings, explain, load_config, load_with_origins, to_yaml
from photograft.config.document import DocumentProblem, read_value, write_value
from photograft.config.tree import leaves
from photograft.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def write(folder: Path, text: str) -> Path:
    file = folder / "설정.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(*args: object, **everyday: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(*args, **everyday)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "pydantic" not in message and "http" not in message and "Input should" not in message
    return message


def test_nothing_given_gives_the_defaults() -> None:
    assert load_config() == Config()


def test_later_sources_win(tmp_path: Path) -> None:
    file = write(tmp_path, "quality: best\nsplit:\n  folds: 7\n  seed: 3\n  val: 0.1\n")
    loaded = load_with_origins(file, ["split.seed=4", "split.seed=5", "quality=good"], quality="fast")
    config = loaded.config
    assert (config.quality, config.split.folds, config.split.seed, config.split.val) == ("fast", 7, 5, 0.1)
    assert loaded.origins["split.folds"] == f"{file}, line 3"
    assert loaded.origins["split.seed"] == "from --set"
    assert loaded.origins["split.test"] == "default"


@pytest.mark.parametrize("text", ["{age}_{gender}_{id}.jpg", "{label}", "[{a}]*", "*_{label}.jpg"])
def test_a_text_may_begin_with_a_bracket(text: str) -> None:
    assert load_config(None, [f"data.labels.pattern={text}"]).data.labels.pattern == text
    with pytest.raises(ConfigError):
        load_config(None, [f"split.folds={text}"])


def test_a_section_inside_a_section(tmp_path: Path) -> None:
    file = write(tmp_path, "data:\n  margin: 0.1\n  labels:\n    from: pattern\n    factors: [나이, b]\n")
    config = load_config(file, ["data.labels.group=person"])
    assert (config.data.margin, config.data.labels.from_, config.data.labels.group) == (0.1, "pattern", "person")
    assert config.data.labels.factors == ("나이", "b")
    assert load_config(write(tmp_path, to_yaml(config))) == config
    assert explain("data.labels").settings and "data.labels.from" in refusal(None, ["data.labels.form=x"])


def test_flag_that_is_not_given_changes_nothing() -> None:
    assert load_config(None, ["quality=fast"], quality=None).quality == "fast"


def test_everyday_setting_by_dotted_name() -> None:
    config = load_config(**{"input.px": 96, "cache.dir": Path("가 나")})
    assert (config.input.px, config.cache.dir) == (96, Path("가 나"))


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "\ufeff", "split:\n", "split: {}\n"])
def test_empty_file_is_fine(tmp_path: Path, text: str) -> None:
    assert load_config(write(tmp_path, text)) == Config()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.5", 1.5),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2026-01-01", "2026-01-01"),
        ("'1'", "1"),
        ("[a, 1, no]", ["a", 1, "no"]),
        ("튤립", "튤립"),
    ],
)
def test_values_follow_yaml_1_2(text: str, value: object) -> None:
    read = read_value(text)
    assert read == value and type(read) is type(value)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT, st.lists, max_leaves=6)
)
def test_written_values_read_back(value: object) -> None:
    text = write_value(value)
    assert "\n" not in text
    assert read_value(text) == value


@st.composite
def configs(draw: st.DrawFn) -> Config:
    sections = {
        "quality": draw(st.sampled_from(["fast", "good", "best"])),
        "data": {
            "ignore": tuple(draw(st.lists(TEXT, max_size=3))),
            "formats": tuple(draw(st.lists(st.sampled_from(["JPEG", "HEIF"])))),
            "timeout_s": draw(st.floats(0.5, 600)),
        },
        "split": {"val": draw(st.floats(0, 0.3)), "test": draw(st.just("auto") | st.floats(0, 0.5))},
        "input": {"flip": draw(st.booleans() | st.just("auto")), "px": draw(st.integers(64, 1024))},
        "train": {"strength": draw(st.just("auto") | st.floats(1e-300, 1e300)), "seed": draw(st.integers(0))},
        "report": {"positive": draw(st.none() | TEXT), "thumbnails": draw(st.booleans())},
        "cache": {"dir": draw(st.none() | st.text("ab한 #:'\"\\", min_size=1).map(Path))},
    }
    return Config.model_validate(sections)


@settings(max_examples=40)
@given(config=configs(), reason=TEXT)
def test_yaml_reads_back_to_the_same_config(
    tmp_path_factory: pytest.TempPathFactory, config: Config, reason: str
) -> None:
    text = to_yaml(config, reasons={"split.test": reason, "data.ignore": reason})
    assert load_config(write(tmp_path_factory.getbasetemp(), text)) == config


def test_reasons_stand_behind_their_values() -> None:
    text = to_yaml(Config(), reasons={"split.folds": "fewer than\n1,500 photos"})
    assert "  folds: 5  # fewer than 1,500 photos\n" in text
    with pytest.raises(ConfigError, match=r"split\.folds"):
        to_yaml(Config(), reasons={"split.fold": ""})


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, "split:\n  folds: 1\n  fold: 3\nseed: 1\nsplits:\n  a: 1\n  b: 2\ninput:\n  flip: yes\n")
    message = refusal(file, ["data.formats=[JPG]", "noequals"], quality="fsat")
    lines = message.splitlines()
    assert lines[0].startswith("8 problems")
    for expected in (
        f"  split.folds: 1 is not possible; use a whole number from 2 to 20 ({file}, line 2)",
        f"  split.fold: there is no such setting; did you mean `split.folds`? ({file}, line 3)",
        f"  seed: there is no such setting; did you mean `split.seed` or `train.seed`? ({file}, line 4)",
        f"  splits: there is no such section; did you mean `split`? ({file}, line 6)",
        f'  input.flip: "yes" is not possible; use true or false or `auto` ({file}, line 9)',
        "  --set noequals: write it as section.key=value, for example --set split.folds=10",
        "  quality: fsat is not possible; use `fast`, `good` or `best`; did you mean `fast`? (given as quality)",
    ):
        assert expected in lines
    assert any(line.startswith("  data.formats: [JPG]") and "did you mean `JPEG`?" in line for line in lines)


def test_problem_count_is_the_number_of_lines(tmp_path: Path) -> None:
    lines = refusal(None, ["split.folds=a", "split.val=2", "cache.max_gb=.inf", "x=1"]).splitlines()
    assert lines[0] == "4 problems in the settings:" and len(lines) == 5


@pytest.mark.parametrize(
    ("assignment", "remedy"),
    [
        ("report.thumbnails=1", "true or false"),
        ("report.thumbnails=on", "true or false"),
        ("split.seed=true", "whole number"),
        ('split.seed="5"', "whole number"),
        ("split.seed=1.5", "whole number"),
        ("split.val=.nan", "from 0 to 0.5"),
        ("train.strength=0", "greater than 0 or `auto`"),
        ("input.px=8", "from 64 to 1,024"),
        ("report.positive=3", 'quotes, "3"'),
        ("data.ignore=tmp", "for example [tmp]"),
        ("data.ignore=*.tmp", "must stand in quotes"),
        ("data.ignore=[a", "`]` or a comma is missing"),
        ("split=3", "is a section"),
        ("split.seed.x=3", "no such setting; did you mean `split.seed`?"),
        ("model.graft=block:2", "`blocks:N`"),
        ("data.ignore=a,b", "for example [a, b]"),
        ("data.classes=[1, 2]", 'numbers in quotes, ["1", "2"]'),
        ("model.std=[1]", "list of 3 numbers"),
        ("report.slices=[a, @b]", "must stand in quotes"),
        ("folds=3", "did you mean `split.folds`?"),
        ("=3", "section.key=value"),
        ("cache.dir=\udcff", "text"),
    ],
)
def test_refusal_says_what_would_work(assignment: str, remedy: str) -> None:
    assert remedy in refusal(None, [assignment])


def test_settings_that_do_not_go_together_are_named() -> None:
    message = refusal(None, ["split.val=0.5", "split.test=0.5"])
    assert "a fifth of the photos" in message and "split.val = 0.5, from --set" in message


def test_duplicate_key_is_refused_with_both_lines(tmp_path: Path) -> None:
    file = write(tmp_path, "split:\n  seed: 1\n  folds: 3\n  seed: 2\n")
    assert f"split.seed: given twice ({file}, lines 2 and 4)" in refusal(file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", "must hold settings by name"),
        ("quality\n", "must hold settings by name"),
        ("quality: !!str fast\n", "line 1, column 10"),
        ("quality: !!python/object/apply:os.getcwd []\n", "must stand in quotes"),
        ("split: &a {}\ntrain: *a\n", "must stand in quotes"),
        ("quality: good\n---\nquality: fast\n", "one document"),
        ("split:\n\tfolds: 3\n", "a tab stands"),
        ("quality: [a\n", "is missing"),
        ("quality: " + "[" * 200 + "]" * 200, "nested too deep"),
        ("split: {[a]: 1}\n", "a name must be a word"),
    ],
)
def test_file_that_is_not_settings(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(write(tmp_path, text))


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "missing.yaml")
    assert "cannot be read" in refusal(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("quality: schön".encode("latin-1"))
    assert "not UTF-8" in refusal(tmp_path / "latin.yaml")


def test_deep_value_is_refused() -> None:
    with pytest.raises(DocumentProblem, match="too deep"):
        read_value("[" * 5000)


def test_explain_setting_and_section() -> None:
    folds = explain("split.folds")
    assert (folds.type, folds.limits, folds.default) == ("whole number", "from 2 to 20", "5")
    assert "cross-validation" in folds.meaning
    assert explain("quality").choices == ("fast", "good", "best")
    assert explain("train.strength").accepted == "number greater than 0 or `auto`"
    assert "split.seed" in [each.name for each in explain("split").settings]
    with pytest.raises(ConfigError, match=r"did you mean `cache\.max_gb`"):
        explain("cache.max_bg")


def test_every_setting_has_a_meaning_and_a_default_that_is_accepted() -> None:
    defaults = {".".join(path): value for path, value in leaves(Config())}
    for each in all_settings():
        assert each.meaning.endswith("."), each.name
        if each.same_as:
            assert each.same_as in defaults and each.default == f"as {each.same_as}"
            continue
        given = {".".join(path): value for path, value in leaves(load_config(None, [f"{each.name}={each.default}"]))}
        assert given[each.name] == (defaults[each.name] if ".NAME." not in each.name else read_value(each.default))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["data.labels.factors=[age, age]"], "names a column twice"),
        (["data.labels.factors=[age]", "data.labels.column=sex"], "column and data.labels.factors do not go together"),
        (["data.labels.factors=[age]", "data.labels.separator=;"], "separator and data.labels.factors do not go"),
    ],
)
def test_factors_are_columns_of_their_own(settings: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(None, settings)
