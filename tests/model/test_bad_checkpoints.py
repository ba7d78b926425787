"""Files that are no weights: one sentence each, and nothing in them is run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_adasam.domain.errors import InputError
from napari_adasam.model import checkpoints


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_file_cut_short_is_one_sentence(tmp_path: Path, suffix: str, share: float) -> None:
    whole = tmp_path / f"whole{suffix}"
    weights = {"image_encoder.x": torch.randn(200, 50)}
    if suffix == ".pth":
        torch.save(weights, whole)
    else:
        save_file(weights, whole)
    cut = tmp_path / f"cut{suffix}"
    content = whole.read_bytes()
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"not a whole weights file .*cut short"):
        checkpoints.read(cut)


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b"hello world, this is text",
        b"PK\x03\x04" + bytes(30),
        b".",
        b"\x80\x02K\x01.",
        b"{}",
    ],
    ids=["PNG", "text", "empty zip", "one pickle stop", "a number", "JSON"],
)
def test_other_files_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a whole weights file"):
        checkpoints.read(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_numbers_that_are_none_are_one_sentence(tmp_path: Path, suffix: str, value: float) -> None:
    path = tmp_path / f"odd{suffix}"
    weights = {"a": torch.ones(3, dtype=torch.float16), "b": torch.tensor([1.0, value, 60000.0]), "c": torch.arange(3)}
    torch.save(weights, path) if suffix == ".pth" else save_file(weights, path)
    with pytest.raises(InputError, match="not a whole weights file"):
        checkpoints.read(path)


def test_large_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "whole.safetensors"
    save_file({"a": torch.full((4000,), 65504.0).half(), "b": torch.tensor([True])}, path)
    assert set(checkpoints.read(path)[0]) == {"a", "b"}


def test_a_card_that_is_no_object_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"napari_adasam": "[1]"})
    with pytest.raises(InputError, match="not a whole weights file"):
        checkpoints.read(path)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("unpickled",))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"a": Evil()}, path)
    with pytest.raises(InputError):
        checkpoints.read(path)
    assert "unpickled" not in capsys.readouterr().out


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weights file at .*gone\.pth"):
        checkpoints.read(tmp_path / "gone.pth")
