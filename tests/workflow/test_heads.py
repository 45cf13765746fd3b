"""Packs as a user handles them: written, made a bundle again on another network, listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.inference.tiny_bundles import Draft, decided, with_golden

import photograft
from photograft.errors import ConfigError, ModelError
from photograft.inference.golden import draw_golden_pictures
from photograft.models.bundle import read_bundle, seal_bundle
from photograft.models.packs import read_pack
from photograft.workflow.heads import list_heads


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two bundles of one network."""
    root = tmp_path_factory.mktemp("묶음 bundles")
    three = Draft(root / "three").network("small", 16).target("label", ("a", "b", "다"), ["small"]).write()
    return with_golden(decided(root / "밝기")).folder, with_golden(three).folder


def names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


def test_a_pack_on_another_bundles_network_is_the_whole_bundle_again(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    bundle, other = folders
    written = photograft.export_heads(bundle, to=tmp_path / "a b.heads.safetensors")
    assert written.name == "밝기" and written.size_bytes == written.path.stat().st_size and not written.tuned
    added = photograft.add_heads(other, written.path, to=tmp_path / "새 모델")
    assert added.classes == ("dark", "light") and added.n_golden == 2 and added.max_difference <= 1e-6
    assert names(added.bundle) == names(bundle)
    for name in names(bundle):
        if name != "checksums.json":
            assert (added.bundle / name).read_bytes() == (bundle / name).read_bytes(), name
    assert photograft.verify(added.bundle).ok
    assert (added.bundle / "networks/small.onnx").samefile(other / "networks/small.onnx")
    with photograft.load(bundle) as one, photograft.load(added.bundle) as two:
        for picture in draw_golden_pictures().values():
            assert one.predict(picture) == two.predict(picture)


def test_where_pictures_are_drawn_otherwise_the_one_in_the_pack_is_enough(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = photograft.export_heads(folders[0], to=tmp_path / "pack", familiar=False).path
    base = Draft(tmp_path / "base").network("small", 16).target("label", ("a", "b"), ["small"]).write()
    monkeypatch.setattr("photograft.workflow.heads.draw_golden_pictures", dict)
    added = photograft.add_heads(base, pack, to=tmp_path / "whole")
    assert added.n_golden == 1 and names(added.bundle / "golden") == ["picture.jpg"]
    assert not (added.bundle / "decisions").exists() and photograft.verify(added.bundle).ok


def test_the_file_is_named_after_the_run_and_nothing_else_is_overwritten(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # a pack may be replaced
        assert photograft.export_heads(folders[0]).path == Path("밝기.heads.safetensors")
    assert photograft.export_heads(folders[1], to=tmp_path).path == tmp_path / "three.heads.safetensors"
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"weights")
    with pytest.raises(ConfigError, match=r"--to: .* is there already, and is no head pack"):
        photograft.export_heads(folders[0], to=mine)
    assert mine.read_bytes() == b"weights"
    with pytest.raises(ConfigError, match=r"--to: .* cannot be written"):
        photograft.export_heads(folders[0], to=tmp_path / "no" / "such" / "folder")


def test_what_does_not_fit_leaves_nothing_behind(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pack = photograft.export_heads(folders[0], to=tmp_path / "pack").path
    large = Draft(tmp_path / "large").network("large", 28).target("label", ("a", "b"), ["large"]).write()
    with pytest.raises(ModelError, match="it wants network small"):
        photograft.add_heads(large, pack, to=tmp_path / "new")
    wrong = with_golden(Draft(tmp_path / "w").network("small", 16).target("label", ("a", "b"), ["small"]).write())
    golden = tuple(row.model_copy(update={"outputs": {"label": (1.0, 0.0)}}) for row in wrong.info.golden)
    seal_bundle(wrong.folder, wrong.info.model_copy(update={"golden": golden}))
    pack = photograft.export_heads(wrong.folder, to=tmp_path / "pack").path
    with pytest.raises(ModelError, match=r"says something else on .* than where it was made: .* differ by"):
        photograft.add_heads(folders[0], pack, to=tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(ConfigError, match="is there already; name a folder"):
        photograft.add_heads(folders[0], pack, to=tmp_path / "full")
    assert sorted(each.name for each in tmp_path.iterdir() if each.suffix != ".onnx") == ["full", "large", "pack", "w"]


def test_a_bundle_without_golden_outputs_has_no_pack(tmp_path: Path) -> None:
    bundle = Draft(tmp_path / "b").network("small", 16).target("label", ("a", "b"), ["small"]).write()
    with pytest.raises(ModelError, match="no golden outputs"):
        photograft.export_heads(bundle, to=tmp_path / "pack")


def test_packs_and_bundles_are_listed_by_what_they_stand_on(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pack = photograft.export_heads(folders[0], to=tmp_path / "deep.heads.safetensors").path
    Draft(tmp_path / "large").network("large", 28).target("label", ("a", "b"), ["large"]).write()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / pack.name).write_bytes(pack.read_bytes())
    (tmp_path / "damaged.safetensors").write_bytes(pack.read_bytes()[:-3])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "bundle.json").write_text("{")
    groups, problems = list_heads([tmp_path, folders[0].parent, pack])
    assert {tuple(sorted(head.name for head in group.heads)) for group in groups} == {
        ("deep", "three", "밝기"),
        ("large",),
    }
    assert {group.one_pass for group in groups if len(group.heads) > 1} == {True}
    assert {head.name: head.kind for group in groups for head in group.heads}["deep"] == "pack"
    assert len(problems) == 2 and "bundle.json is not JSON" in sorted(problems)[0]
    assert "damaged.safetensors is damaged" in sorted(problems)[1]
    with pytest.raises(ConfigError, match="does not exist; name packs"):
        list_heads([tmp_path / "nothing"])


def test_a_packs_name_and_card_are_those_of_the_run(folders: tuple[Path, Path], tmp_path: Path) -> None:
    bundle = read_bundle(folders[1])
    (bundle.folder / "README.md").write_text("# 카드\n", "utf-8")
    seal_bundle(bundle.folder, bundle.info)
    pack = photograft.export_heads(bundle.folder, to=tmp_path / "pack").path
    assert (read_pack(pack).name, read_pack(pack).card) == ("three", "# 카드\n")
    added = photograft.add_heads(folders[0], pack, to=tmp_path / "new")
    assert (added.bundle / "README.md").read_text("utf-8") == "# 카드\n"
