"""The models of a computer: the list, taking files in, hashing them again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_models import small_architectures, tiny_full
from tiny import BELLY, tiny_net

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.model import fetching, library, registry
from napari_adasam.services.library import choices, fetch, install, lines, verify


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder; architectures are tiny here."""
    small_architectures(monkeypatch)
    monkeypatch.setattr(library, "models_folder", lambda: tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A SAM's state dict, as MedSAM's is."""
    path = tmp_path / "medsam_vit_b.pth"
    torch.save(tiny_net(seed=1).sam.state_dict(), path)
    return path


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A file whose sha256 is that of vit_b."""

    def write(name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(b"the weights of vit_b")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(library.PUBLISHED, "vit_b", replace(library.PUBLISHED["vit_b"], sha256=digest))
        return path

    return write


def test_the_bundled_file_is_the_one_that_is_noted() -> None:
    found = library.sha256(library.bundled_path())
    assert found == library.bundled_sha256(), (
        "The bundled weights have changed. In src/napari_adasam/weights, run: "
        "sha256sum adasam-us.safetensors > adasam-us.sha256"
    )


def test_another_bundled_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tiny_full(tmp_path / "adasam-us.safetensors", seed=9)
    monkeypatch.setattr(library, "bundled_path", lambda: other)
    with pytest.raises(InputError, match=r"not the model adasam-us \(its sha256 differs\)"):
        registry.load(ModelSettings())


def test_the_list_says_what_is_here(foreign: Path) -> None:
    install(foreign)
    found = {one.name: one for one in lines()}
    assert list(found) == ["adasam-us", "mobile_sam", "vit_b", "vit_l", "vit_h", "medsam_vit_b"]
    assert [one.state for one in found.values()] == ["bundled", *["not here"] * 4, "installed"]
    assert found["adasam-us"].licence.startswith("Apache-2.0")
    assert found["adasam-us"].trained_on.endswith(" images")
    assert (found["vit_b"].size, found["vit_l"].size) == (375_042_383, None)
    assert found["medsam_vit_b"].licence == "unknown"
    assert choices() == {one.name: one.state != "not here" for one in found.values()}


def test_a_published_file_is_known_by_its_content(published: Callable[[str], Path], folder: Path) -> None:
    assert install(published("download (1).bin")) == ("vit_b", folder / "sam_vit_b_01ec64.pth")
    assert library.find("vit_b") == folder / "sam_vit_b_01ec64.pth"
    assert [path.name for path in folder.iterdir()] == ["sam_vit_b_01ec64.pth"]


def test_a_published_file_takes_the_place_of_a_damaged_one(published: Callable[[str], Path], folder: Path) -> None:
    folder.mkdir()
    (folder / "sam_vit_b_01ec64.pth").write_bytes(b"half")
    install(published("a.pth"))
    assert library.find("vit_b").read_bytes() == b"the weights of vit_b"


def test_the_bundled_file_needs_no_installing() -> None:
    assert install(library.bundled_path()) == ("adasam-us", library.bundled_path())


def test_any_sam_is_installed_under_its_stem_and_loads_by_it(foreign: Path, folder: Path) -> None:
    assert install(foreign) == ("medsam_vit_b", folder / "medsam_vit_b.pth")
    net = registry.load(ModelSettings("medsam_vit_b"))
    assert (net.card.name, net.card.licence) == ("medsam_vit_b", "unknown")
    assert install(foreign) == ("medsam_vit_b", folder / "medsam_vit_b.pth"), "twice is once"
    foreign.unlink()
    assert registry.load(ModelSettings("medsam_vit_b")).card == net.card


def test_a_file_of_ours_keeps_its_licence(tmp_path: Path) -> None:
    name, _ = install(tiny_full(tmp_path / "scanner-7.safetensors", licence="CC-BY-4.0"), name="ours")
    assert name == "ours"
    record = library.installed()["ours"]
    assert (record.licence, record.kind, record.file) == ("CC-BY-4.0", "full", "ours.safetensors")
    assert registry.load(ModelSettings("ours")).card.structures == (BELLY,)


def test_another_file_of_the_same_name_is_not_written_over(foreign: Path, tmp_path: Path, folder: Path) -> None:
    install(foreign)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = tiny_full(tmp_path / "medsam_vit_b.safetensors")
    with pytest.raises(InputError, match=r"another model named medsam_vit_b already.*--name"):
        install(other)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_that_somebody_put_there_is_not_written_over(foreign: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / foreign.name).write_bytes(b"precious")
    with pytest.raises(InputError, match="already"):
        install(foreign)
    assert (folder / foreign.name).read_bytes() == b"precious"


def test_a_file_copied_into_the_folder_by_hand_is_taken_in_where_it_lies(foreign: Path, folder: Path) -> None:
    folder.mkdir()
    by_hand = foreign.rename(folder / foreign.name)
    assert install(by_hand) == ("medsam_vit_b", by_hand)
    assert registry.load(ModelSettings("medsam_vit_b")).card.name == "medsam_vit_b"


@pytest.mark.parametrize("name", ["vit_b", "VIT_B", "adasam-us", "../up", "a/b", ".hidden", "x.pth", "a@512", " "])
def test_names_that_are_taken_or_none_are_refused(foreign: Path, folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"already|cannot be a model's name"):
        install(foreign, name)
    assert not folder.exists()


def test_what_is_no_model_is_refused_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    text = tmp_path / "notes.pth"
    text.write_text("no weights")
    with pytest.raises(InputError, match="not a whole weights file"):
        install(text)
    with pytest.raises(InputError, match="There is no file"):
        install(tmp_path / "gone.pth")
    assert not folder.exists()


def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    foreign: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_adasam.services.library._pour", full)
    with pytest.raises(StorageError, match="no space left"):
        install(foreign)
    assert not list(folder.iterdir())


def test_verify_hashes_all_that_is_here_and_names_what_differs(
    foreign: Path, tmp_path: Path, published: Callable[[str], Path], folder: Path
) -> None:
    install(foreign)
    install(tiny_full(tmp_path / "ours.safetensors"))
    install(published("vit_b.pth"))
    assert [(one.name, one.problem) for one in verify()] == [
        ("adasam-us", ""),
        ("vit_b", ""),
        ("medsam_vit_b", ""),
        ("ours", ""),
    ]
    (folder / "sam_vit_b_01ec64.pth").write_bytes(b"the weights of vit_B")
    (folder / "ours.safetensors").unlink()
    (folder / "medsam_vit_b.json").write_text("{")
    problems = {one.name: one.problem for one in verify() if one.problem}
    assert set(problems) == {"vit_b", "ours", "medsam_vit_b"}
    assert "sha256 differs" in problems["vit_b"]
    assert "is gone" in problems["ours"]
    assert "is damaged" in problems["medsam_vit_b"]
    with pytest.raises(InputError, match="sha256 differs"):
        registry.load(ModelSettings("vit_b"))


def test_an_installed_file_that_was_changed_is_not_loaded(foreign: Path, folder: Path) -> None:
    install(foreign)
    torch.save(tiny_net(seed=2).sam.state_dict(), folder / "medsam_vit_b.pth")
    with pytest.raises(InputError, match=r"not the model medsam_vit_b \(its sha256 differs\)"):
        registry.load(ModelSettings("medsam_vit_b"))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"half")], ids=["gone", "half"])
def test_a_file_that_is_gone_or_damaged_is_put_back_by_installing_it_again(
    foreign: Path, folder: Path, damage: Callable[[Path], object]
) -> None:
    install(foreign)
    damage(folder / foreign.name)
    assert install(foreign) == ("medsam_vit_b", folder / foreign.name)
    assert not [one.problem for one in verify() if one.problem]
    assert registry.load(ModelSettings("medsam_vit_b")).card.name == "medsam_vit_b"


def test_another_file_does_not_take_the_place_of_one_that_is_gone(foreign: Path, tmp_path: Path, folder: Path) -> None:
    install(foreign)
    (folder / foreign.name).unlink()
    other = tiny_full(tmp_path / "medsam_vit_b.safetensors")
    with pytest.raises(InputError, match=r"another model named medsam_vit_b already.*--name"):
        install(other)


def test_a_path_is_still_a_path_beside_an_installed_name(foreign: Path) -> None:
    install(foreign, "mine")
    assert library.find(str(foreign)) == foreign
    assert library.find("./mine") == Path("mine")


def test_two_downloads_at_a_time_are_one_too_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*_: object) -> Path:
        with pytest.raises(InputError, match="Another window or command is fetching"):
            fetch("vit_l", lambda *_: None)
        return folder / "x"

    monkeypatch.setattr(fetching, "fetch", meanwhile)
    assert fetch("vit_b", lambda *_: None) == folder / "x"


def test_only_published_names_are_fetched() -> None:
    with pytest.raises(InputError, match='no published model "medsam"'):
        fetch("medsam", lambda *_: None)
    assert fetch("adasam-us", lambda *_: None) == library.bundled_path()
