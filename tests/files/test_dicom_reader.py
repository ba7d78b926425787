from __future__ import annotations

import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from dicom_pictures import GREY, picture, region, saved
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imagecodecs import jpeg8_encode
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.sequence import Sequence
from pydicom.uid import HEVCMP51, MPEG2MPML, MPEG4HP41, JPEGBaseline8Bit, JPEGLosslessSV1, RLELossless
from specimens import SPECIMENS

from napari_adasam.domain.errors import InputError
from napari_adasam.files.dicom_decoding import DECODERS
from napari_adasam.files.readers import open_file, open_paths


@pytest.mark.parametrize(
    "pixels",
    [GREY, np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1), GREY.astype(np.uint16) * 16],
    ids=["grey", "colour", "16 bit"],
)
def test_pixels_come_back_as_they_were(tmp_path: Path, pixels: np.ndarray) -> None:
    clip = open_file(saved(tmp_path / "a.dcm", picture(pixels)))
    assert clip.read(0).dtype == pixels.dtype
    assert np.array_equal(clip.read(0), pixels)


@pytest.mark.parametrize(
    ("stated", "coded", "mark", "lossless"),
    [
        ("YBR_FULL", "YCBCR", False, False),
        ("RGB", "RGB", False, False),
        ("RGB", "RGB", True, False),
        ("YBR_FULL_422", "RGB", True, False),
        ("RGB", "RGB", False, True),
        ("YBR_FULL", "YCBCR", False, True),
    ],
)
def test_colours_of_a_jpeg_are_as_its_header_says_or_adobes_mark(
    tmp_path: Path, stated: str, coded: str, mark: bool, lossless: bool
) -> None:
    ramp = np.add.outer(np.arange(40), np.arange(48)).astype(np.uint8)
    colours = np.stack([ramp + 20, 160 - ramp, ramp // 2 + 60], axis=-1)
    values = colours if coded == "RGB" else np.asarray(Image.fromarray(colours).convert("YCbCr"))
    how = {"lossless": True} if lossless else {"level": 100, "subsampling": "444"}
    # The encoder spoils lossless YCbCr, so values are always given to it as RGB, and go into the file as they are.
    frame = jpeg8_encode(values, colorspace="RGB", outcolorspace="RGB", **how)
    if not mark:
        frame = frame.replace(frame[2:18], b"", 1)
    assert (b"Adobe" in frame) == mark
    dataset = picture(colours, PhotometricInterpretation=stated)
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1 if lossless else JPEGBaseline8Bit
    dataset.PixelData = encapsulate([frame])
    shown = open_file(saved(tmp_path / "a.dcm", dataset)).read(0)
    assert np.abs(shown.astype(int) - colours).max() <= (0 if lossless and coded == "RGB" else 4)


@pytest.mark.parametrize("before", [b"", b"\xff\xfe\x00\x04hi", b"\xff\xff"], ids=["first", "a remark", "filling"])
def test_jfif_s_mark_says_that_colours_are_ycbcr(tmp_path: Path, before: bytes) -> None:
    grey = np.full((40, 48, 3), 50, np.uint8)
    file = BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=95)
    frame = file.getvalue()
    assert frame[6:11] == b"JFIF\0"
    dataset = picture(grey, PhotometricInterpretation="RGB")
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([frame[:2] + before + frame[2:]])
    assert np.abs(open_file(saved(tmp_path / "a.dcm", dataset)).read(0).astype(int) - 50).max() <= 1


def test_the_mark_of_a_preview_says_nothing_of_the_picture(tmp_path: Path) -> None:
    frame = jpeg8_encode(np.full((40, 48, 3), (90, 60, 30), np.uint8), colorspace="RGB", outcolorspace="RGB")
    frame = frame.replace(frame[2:18], b"", 1)
    assert b"Adobe" not in frame
    preview = b"Exif\0\0\xff\xd8\xff\xe0\x00\x10JFIF\0" + bytes(9)
    preview = b"\xff\xe1" + (len(preview) + 2).to_bytes(2) + preview
    dataset = picture(np.zeros((40, 48, 3), np.uint8), PhotometricInterpretation="RGB")
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([frame[:2] + preview + frame[2:]])
    shown = open_file(saved(tmp_path / "a.dcm", dataset)).read(0)
    assert np.abs(shown.astype(int) - (90, 60, 30)).max() <= 4


def test_cine_is_read_frame_by_frame(tmp_path: Path) -> None:
    cine = np.stack([np.roll(GREY, shift) for shift in range(6)])
    clip = open_file(saved(tmp_path / "beat.dcm", picture(cine, frames=6)))
    assert [frame.stem for frame in clip.frames][-1] == "beat_0005"
    assert clip.frames[5].id == f"{clip.frames[0].id.removesuffix('-0')}-5"
    for index in (5, 0, 3):
        assert np.array_equal(clip.read(index), cine[index])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_cine_of_500_frames_does_not_fill_the_memory(tmp_path: Path, compressed: bool) -> None:
    cine = np.random.default_rng(0).integers(0, 255, (500, 120, 160)).astype(np.uint8)
    dataset = picture(cine, frames=500)
    if compressed:
        dataset.compress(RLELossless, cine, generate_instance_uid=False)
    path = saved(tmp_path / "long.dcm", dataset)
    del dataset
    tracemalloc.start()
    clip = open_file(path)
    last = clip.read(499)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(clip.frames) == 500
    assert np.array_equal(last, cine[499])
    assert peak < path.stat().st_size / 4


def test_signed_and_inverted_values_keep_their_order(tmp_path: Path) -> None:
    signed = np.linspace(-2000, 2000, 1200).astype(np.int16).reshape(40, 30)
    pixels = open_file(saved(tmp_path / "s.dcm", picture(signed))).read(0)
    assert pixels.dtype == np.uint16
    assert np.array_equal(np.diff(pixels.ravel().astype(int)), np.diff(signed.ravel().astype(int)))
    inverted = picture(GREY)
    inverted.PhotometricInterpretation = "MONOCHROME1"
    assert np.array_equal(open_file(saved(tmp_path / "i.dcm", inverted)).read(0), 255 - GREY)


def test_a_file_without_an_ending_is_known_by_its_mark(tmp_path: Path) -> None:
    for name in ("IM0001", "1.2.840.5"):
        saved(tmp_path / name, picture(np.roll(GREY, len(name))))
    (tmp_path / "README").write_text("not DICOM")
    result = open_paths([tmp_path])
    assert [clip.path.name for clip in result.clips] == ["1.2.840.5", "IM0001"]
    assert result.problems == ()


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as error:
        open_file(path)
    return str(error.value)


def test_no_picture(tmp_path: Path) -> None:
    path = saved(tmp_path / "report.dcm", picture(None))
    assert refusal(path) == "report.dcm is a DICOM file without a picture; it was left out."


def test_truncated(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a.dcm", picture())
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole.read_bytes()[:-400])
    assert "damaged or cut short" in refusal(cut)
    dataset = picture(np.stack([GREY] * 4), frames=4)
    dataset.compress(RLELossless, generate_instance_uid=False)
    packed = saved(tmp_path / "rle.dcm", dataset).read_bytes()
    cut.write_bytes(packed[:-2000])
    assert "damaged or cut short" in refusal(cut)


def test_too_small_and_too_large(tmp_path: Path) -> None:
    assert "too small (1 × 1 px)" in refusal(saved(tmp_path / "a.dcm", picture(np.zeros((1, 1), np.uint8))))
    huge = picture()
    huge.Rows = huge.Columns = 60_000
    assert "claims to be 60000 × 60000 px" in refusal(saved(tmp_path / "b.dcm", huge))


def test_a_compressed_picture_of_another_size_than_its_header_is_refused(tmp_path: Path) -> None:
    path = SPECIMENS["dicom-jpeg-baseline"].save(tmp_path, "a")
    dataset = dcmread(path)
    dataset.Rows = 40
    clip = open_file(saved(tmp_path / "b.dcm", dataset))
    with pytest.raises(InputError, match="its header says 40 × 64 px, its picture 48 × 64 px"):
        clip.read(0)


def test_more_frames_than_can_be(tmp_path: Path) -> None:
    assert "claims to hold 2000000000 frames" in refusal(
        saved(tmp_path / "a.dcm", picture(NumberOfFrames=2_000_000_000))
    )
    path = SPECIMENS["dicom-rle"].save(tmp_path, "b")
    dataset = dcmread(path)
    dataset.NumberOfFrames = 9
    assert "damaged or cut short" in refusal(saved(path, dataset))


def test_a_deflated_file_that_unpacks_to_too_much_is_refused_before_it_does(tmp_path: Path) -> None:
    whole = SPECIMENS["dicom-deflated"].save(tmp_path, "a").read_bytes()
    start = 144 + int.from_bytes(whole[140:144], "little")
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = b"".join([packer.compress(bytes(1_000_000)) for _ in range(300)] + [packer.flush()])
    (tmp_path / "bomb.dcm").write_bytes(whole[:start] + body)
    assert "unpacks to more than 256 million bytes" in refusal(tmp_path / "bomb.dcm")


@pytest.mark.parametrize(("syntax", "name"), [(MPEG2MPML, "MPEG2"), (MPEG4HP41, "MPEG-4"), (HEVCMP51, "HEVC")])
def test_video_inside_dicom_says_that_it_is_not_read(tmp_path: Path, syntax: str, name: str) -> None:
    dataset = dcmread(SPECIMENS["dicom-jpeg-baseline"].save(tmp_path, "a"))
    dataset.file_meta.TransferSyntaxUID = syntax
    assert f"is compressed as {name}" in refusal(saved(tmp_path / "b.dcm", dataset))


def test_each_compression_has_one_decoder_that_is_there() -> None:
    for syntax, name in DECODERS.items():
        assert name in get_decoder(syntax).available_plugins


@pytest.mark.parametrize("name", ["dicom-jpeg-lossless", "dicom-jpeg-extended-12-bit", "dicom-jpeg-ls"])
def test_a_jpeg_without_its_end_is_damaged(tmp_path: Path, name: str) -> None:
    SPECIMENS[name].write(tmp_path / "a.dcm")
    dataset = dcmread(tmp_path / "a.dcm")
    first, *rest = generate_frames(dataset.PixelData, number_of_frames=len(SPECIMENS[name].pictures))
    cut = first[: len(first) // 4 * 2]
    dataset.PixelData = encapsulate([cut, *rest])
    dataset.save_as(tmp_path / "b.dcm")
    with pytest.raises(InputError, match=r"b\.dcm is"):
        open_file(tmp_path / "b.dcm").read(0)
    assert open_file(tmp_path / "b.dcm").read(1).shape == open_file(tmp_path / "a.dcm").read(1).shape


def test_signed_values_of_lossless_jpeg(tmp_path: Path) -> None:
    """Twelve bits stored, the sign in the twelfth."""
    SPECIMENS["dicom-jpeg-lossless"].write(tmp_path / "a.dcm")
    dataset = dcmread(tmp_path / "a.dcm")
    unsigned = open_file(tmp_path / "a.dcm").read(0).astype(np.int64)
    dataset.PixelRepresentation = 1
    dataset.save_as(tmp_path / "b.dcm")
    signed = open_file(tmp_path / "b.dcm").read(0).astype(np.int64)
    assert np.array_equal(signed, (unsigned + 32768) % 65536)


def test_a_patient_is_named_nowhere(tmp_path: Path) -> None:
    clip = open_file(saved(tmp_path / "a.dcm", picture()))
    assert "Nobody" not in repr(clip.frames)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_bytes_end_in_a_sentence_or_in_pixels(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "whole.dcm"
    if not whole.exists():
        saved(whole, picture(np.stack([GREY] * 3), frames=3, SequenceOfUltrasoundRegions=Sequence([region()])))
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(128, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.dcm"
    path.write_bytes(content[: data.draw(st.integers(200, len(content)))])
    problem = None
    try:
        clip = open_file(path)
        for frame in clip.frames[:3]:
            pixels = clip.read(frame.index)
            assert pixels.shape[:2] == (frame.height, frame.width)
            assert pixels.dtype in (np.uint8, np.uint16)
    except InputError as error:
        problem = str(error)
    assert problem is None or "damaged.dcm" in problem


# -- real files ------------------------------------------------------------------------------------------------------

REAL = {
    "JPGLosslessP14SV1_1s_1f_8b.dcm": (1, (768, 1024), 0.25476696592378157),
    "OBXXXX1A_2frame.dcm": (2, (600, 800, 3), 0.2622878766196998),
    "US1_UNCI.dcm": (1, (480, 640, 3), None),
    "color3d_jpeg_baseline.dcm": (120, (480, 640, 3), 0.5104970559477806),
    "emri_small.dcm": (10, (64, 64), None),
    "examples_jpeg2k.dcm": (1, (480, 640, 3), None),
    "examples_rgb_color.dcm": (1, (240, 320, 3), None),
    "examples_ybr_color.dcm": (30, (240, 320, 3), None),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(shared_data: Path, name: str) -> None:
    frames, shape, mm = REAL[name]
    clip = open_file(shared_data / "dicom" / name)
    assert len(clip.frames) == frames
    pixels = clip.read(frames - 1)
    assert pixels.shape == shape
    assert pixels.max() > 100
    spacing = clip.frames[0].spacing
    assert (spacing and spacing.x_mm) == (pytest.approx(mm) if mm else None)


def test_real_file_whose_region_no_longer_fits_says_so(shared_data: Path) -> None:
    frame = open_file(shared_data / "dicom" / "examples_ybr_color.dcm").frames[0]
    assert "(it reaches to 414 × 595 px of 240 × 320 px)" in frame.note


def test_real_segmentation_is_not_a_picture(shared_data: Path) -> None:
    assert "is a DICOM segmentation" in refusal(shared_data / "dicom" / "liver_1frame.dcm")


def test_real_palette_has_colours_of_its_table(shared_data: Path) -> None:
    pixels = open_file(shared_data / "dicom" / "OBXXXX1A_2frame.dcm").read(0)
    assert not np.array_equal(pixels[..., 0], pixels[..., 2])


def test_for_the_model_a_dark_frame_is_as_dark_as_its_file_says(tmp_path: Path) -> None:
    dark = np.linspace(0, 1000, 40 * 30).astype(np.uint16).reshape(40, 30)
    stored = open_file(saved(tmp_path / "a.dcm", picture(dark, BitsStored=12, HighBit=11)))
    assert stored.grey(0).max() == 62  # 255 · 1000 / 4095
    unsaid = open_file(saved(tmp_path / "b.dcm", picture(dark)))
    assert unsaid.frames[0].bits == 16
    assert unsaid.grey(0).max() == 249  # of the 10 bits that it uses
