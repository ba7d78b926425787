"""Weights on disk: recognised, loaded, saved; damaged or foreign files are one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from segment_anything.modeling import ImageEncoderViT
from tiny import APONEUROSIS, BELLY, SIZE, tiny_net, tiny_vit
from torch import nn

from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.model import checkpoints
from napari_adasam.model.adasam import AdaSam, ModelCard
from napari_adasam.model.classifier import build
from napari_adasam.model.encoders import Encoder, TinyVit, Vit
from napari_adasam.model.sam import SamNet

DECODER = {"mask_decoder.iou_token.weight": torch.zeros(1)}


def foreign(depth: int = 12) -> dict[str, torch.Tensor]:
    """A checkpoint with segment-anything's names, 16 wide and ``depth`` blocks deep."""
    torch.manual_seed(1)
    vit = ImageEncoderViT(
        img_size=1024,
        embed_dim=16,
        depth=depth,
        num_heads=2,
        mlp_ratio=1,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        global_attn_indexes=(),
        window_size=2,
    )
    weights = {f"image_encoder.{k}": v for k, v in vit.state_dict().items()}
    parts = tiny_net(size=1024, encoder=tiny_vit()).sam.state_dict()
    return weights | {k: v for k, v in parts.items() if not k.startswith("encoder.")}


def narrow_vit(depth: int) -> Vit:
    return Vit(
        ImageEncoderViT(
            img_size=1024,
            embed_dim=16,
            depth=depth,
            num_heads=2,
            mlp_ratio=1,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            global_attn_indexes=(),
            window_size=2,
        )
    )


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every architecture is a narrow one here, of the right depth."""
    depths = {name: depth for depth, name in checkpoints.DEPTHS.items()}

    def empty_sam(name: str, size: int) -> SamNet:
        encoder: Encoder = narrow_vit(depths[name]) if name in depths else tiny_vit()
        return SamNet(encoder, size)

    monkeypatch.setattr(checkpoints, "empty_sam", empty_sam)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Write a whole model of ours."""

    def save(net: AdaSam, name: str = "model.safetensors", **fields: object) -> Path:
        path = tmp_path / name
        card = json.loads(checkpoints.card_to_json(net.card, kind="full")) | fields
        checkpoints.write(path, net.state_dict(), json.dumps(card))
        return path

    return save


@pytest.mark.parametrize(("depth", "name"), [(12, "vit_b"), (24, "vit_l"), (32, "vit_h")])
def test_the_depth_tells_the_vits_apart(depth: int, name: str) -> None:
    blocks = {f"image_encoder.blocks.{i}.norm1.weight": torch.zeros(1) for i in range(depth)}
    assert checkpoints.architecture(blocks | DECODER) == name


def test_mobile_sam_is_recognised() -> None:
    assert (
        checkpoints.architecture({"image_encoder.patch_embed.seq.0.c.weight": torch.zeros(1)} | DECODER) == "tiny_vit"
    )


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"conv1.weight": torch.zeros(1), "fc.bias": torch.zeros(1)},
        {f"image_encoder.blocks.{i}.norm1.weight": torch.zeros(1) for i in range(12)},
        {f"image_encoder.blocks.{i}.norm1.weight": torch.zeros(1) for i in range(11)} | DECODER,
    ],
    ids=["nothing", "ResNet", "encoder alone", "eleven blocks"],
)
def test_what_is_not_a_sam_is_said_so(weights: dict[str, torch.Tensor]) -> None:
    with pytest.raises(InputError, match="not a Segment Anything model"):
        checkpoints.architecture(weights)


@pytest.mark.usefixtures("narrow")
def test_segment_anythings_weights_are_all_used(tmp_path: Path) -> None:
    weights = foreign()
    path = tmp_path / "sam.pth"
    torch.save({"model": weights}, path)
    read, card = checkpoints.read(path)
    assert card == {}
    net = checkpoints.from_sam_weights(read, 64)
    assert net.size == 64
    assert not net.training
    vit = narrow_vit(12)
    own = {k.removeprefix("image_encoder."): v for k, v in weights.items() if k.startswith("image_encoder.")}
    blocks = [unit.state_dict() for unit in net.encoder.units]
    assert torch.equal(blocks[0]["pos_embed"], own["pos_embed"])
    for i in range(12):
        assert torch.equal(blocks[i + 1]["attn.qkv.weight"], own[f"blocks.{i}.attn.qkv.weight"])
    assert torch.equal(blocks[13]["neck.2.weight"], own["neck.2.weight"])
    assert len(net.encoder.state_dict()) == len(own) == len(vit.state_dict())
    decoder = net.mask_decoder.state_dict()
    assert all(torch.equal(v, weights[f"mask_decoder.{k}"]) for k, v in decoder.items())
    assert checkpoints.from_sam_weights(read).size == 1024


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda w: w | {"mask_decoder.iou_token.weight": torch.zeros(1, 8)}, "another shape"),
        (lambda w: {k: v for k, v in w.items() if k != "image_encoder.pos_embed"}, "1 tensors are missing"),
        (lambda w: w | {"mask_decoder.more.weight": torch.zeros(1)}, "1 are unknown"),
    ],
    ids=["shape", "missing", "unknown"],
)
def test_weights_that_do_not_fit_are_refused(spoil: Callable[..., dict[str, torch.Tensor]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        checkpoints.from_sam_weights(spoil(foreign()), 64)


@pytest.mark.parametrize("size", [0, 32, 100, 2080])
def test_sizes_that_do_not_fit_are_refused(size: int) -> None:
    with pytest.raises(InputError, match="multiple of 32"):
        checkpoints.empty_sam("tiny_vit", size)


def test_an_empty_tiny_vit_is_one() -> None:
    sam = checkpoints.empty_sam("tiny_vit", 512)
    assert isinstance(sam.encoder, TinyVit)
    assert (sam.size, sam.cells) == (512, 32)
    with pytest.raises(InputError, match="no architecture resnet"):
        checkpoints.empty_sam("resnet", 512)


@pytest.mark.usefixtures("narrow")
def test_a_whole_model_makes_the_round_trip(saved: Callable[..., Path]) -> None:
    net = tiny_net(structures=(BELLY, APONEUROSIS))
    net.card = ModelCard(
        "tiny", "tiny", SIZE, (BELLY, APONEUROSIS), "classmap", False, "mine", ("a", "b"), frozenset({"x", "y"})
    )
    weights, fields = checkpoints.read(saved(net))
    assert fields["kind"] == "full"
    assert {v.dtype for v in weights.values()} == {torch.float16}
    back = checkpoints.load_full(weights, fields)
    assert back.card == net.card
    assert not back.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor.half().float()), name
    other = checkpoints.load_full(weights, fields, 128)
    assert (other.sam.size, other.card.input_size) == (128, 128)  # what learns at this size is saved for it


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"format": 2}, "another version"),
        ({"format": None}, "another version"),
        ({"structures": None}, "damaged"),
        ({"structures": [{"value": 0, "name": "x"}]}, "damaged"),
        ({"structures": [{"wert": 1}]}, "damaged"),
    ],
)
def test_a_card_that_cannot_be_understood_is_one_sentence(
    saved: Callable[..., Path], fields: dict[str, object], said: str
) -> None:
    weights, card = checkpoints.read(saved(tiny_net(), **fields))
    with pytest.raises(InputError, match=said):
        checkpoints.load_full(weights, card)


def test_a_file_of_ours_is_known_by_its_content(saved: Callable[..., Path]) -> None:
    path = saved(tiny_net(), name="model.bin")
    assert checkpoints.read(path)[1]["kind"] == "full"


def test_the_fingerprint_is_of_names_and_values() -> None:
    weights = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3.0])}
    first = checkpoints.fingerprint(weights)
    assert len(first) == 16
    assert checkpoints.fingerprint({"b": weights["b"].clone(), "a": weights["a"].clone()}) == first
    assert checkpoints.fingerprint(weights | {"b": torch.tensor([3.5])}) != first
    assert checkpoints.fingerprint({"a": weights["a"], "c": weights["b"]}) != first


def test_a_full_disk_leaves_the_earlier_file(saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tiny_net())
    before = path.read_bytes()

    def full(tensors: object, file: Path, metadata: object) -> None:
        file.write_bytes(b"begun")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(StorageError, match=r"could not be saved .*No space left.* unchanged"):
        saved(tiny_net(seed=1))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_that_keeps_something_else_is_found_out(
    saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tiny_net())
    before = path.read_bytes()
    real = checkpoints.save_file

    def other(tensors: dict[str, torch.Tensor], file: Path, metadata: dict[str, str]) -> None:
        name = max(tensors, key=lambda one: tensors[one].numel())
        real(tensors | {name: torch.zeros_like(tensors[name]) + 3}, file, metadata=metadata)

    monkeypatch.setattr(checkpoints, "save_file", other)
    with pytest.raises(StorageError, match=r"could not be saved .*reads back otherwise.* unchanged"):
        saved(tiny_net(seed=1))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not be saved"):
        checkpoints.write(tmp_path / "file" / "model.safetensors", {"a": torch.zeros(1)}, "{}")


def test_nothing_half_written_is_left_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.safetensors"
    checkpoints.write(path, {"a": torch.ones(3), "n": torch.tensor([7])}, '{"x": 1}')
    assert list(path.parent.iterdir()) == [path]
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"napari_adasam": '{"x": 1}'}
        assert file.get_tensor("a").dtype == torch.float16
        assert file.get_tensor("n").tolist() == [7]


def test_the_form_of_the_head_is_kept(narrow: None, saved: Callable[..., Path]) -> None:
    net = tiny_net(form="gradcam")
    back = checkpoints.load_full(*checkpoints.read(saved(net)))
    assert type(back.head) is type(build("gradcam", 1))
    torch.testing.assert_close(back.head.mlp[0].weight, net.head.mlp[0].weight.half().float())
