"""DICOM files, written by pydicom as devices write them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pydicom = pytest.importorskip("pydicom")

from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: E402
from pydicom.pixels.processing import apply_windowing  # noqa: E402
from pydicom.uid import (  # noqa: E402
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    RLELossless,
    generate_uid,
)

from benchmark.datasets import _dicom  # noqa: E402
from benchmark.datasets._files import DiskFolder, File, UnusableError  # noqa: E402
from benchmark.datasets.base import Data, DataError  # noqa: E402
from benchmark.datasets.folder import Folder  # noqa: E402

SIDE = 16


def ramp(lowest: int = 0, highest: int = 4095, dtype: type = np.uint16) -> np.ndarray:
    return np.linspace(lowest, highest, SIDE * SIDE).reshape(SIDE, SIDE).astype(dtype)


def dicom(pixels: np.ndarray, **fields: Any) -> FileDataset:
    """A data set of `pixels` [H, W] or [H, W, 3], unsigned or signed, with further fields of the standard."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = CTImageStorage, meta.MediaStorageSOPInstanceUID, "CT"
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    data.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = data.BitsStored = 8 * pixels.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(data, name, value)
    return data


def write(root: Path, data: FileDataset, suffix: str = ".dcm") -> Path:
    """Ten copies in the classes a and b."""
    for name in ("a", "b"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(10):
            data.save_as(root / name / f"{i}{suffix}")
    return root


def load(root: Path, **options: Any) -> Data:
    return Folder("folder", Folder.Config.model_validate({"path": root, "size": SIDE, **options})).load()


def first(root: Path, **options: Any) -> np.ndarray:
    return load(root, **options).train.images[0].squeeze()


def opened(tmp_path: Path, data: FileDataset, *, windowed: bool = False) -> Any:
    data.save_as(tmp_path / "one.dcm")
    return _dicom.open_dicom(File(DiskFolder(tmp_path), "one.dcm"), windowed=windowed)


@pytest.mark.parametrize("suffix", [".dcm", ".DCM", "", ".123.45"])
def test_12_bit_images_are_scaled_like_those_of_other_formats(tmp_path: Path, suffix: str) -> None:
    data = load(write(tmp_path, dicom(ramp(), BitsStored=12, HighBit=11), suffix))
    assert data.images is not None
    assert (data.images["bit_depths"], data.images["values"]) == ([12], [0, 4095])
    assert np.abs(data.train.images[0].squeeze() - ramp() / 4095 * 255).max() <= 1


def test_rescale_slope_and_intercept_give_the_units_of_the_file(tmp_path: Path) -> None:
    data = dicom(ramp(0, 3000), RescaleSlope=2, RescaleIntercept=-1024)
    image = opened(tmp_path, data)
    assert np.array_equal(np.asarray(image), ramp(0, 3000).astype(int) * 2 - 1024)
    root = write(tmp_path / "set", data)
    window = first(root, pixels=[-1024, 976])
    assert np.abs(window - (ramp(0, 3000) * 2.0 / 2000 * 255).clip(0, 255)).max() <= 1
    assert load(root).images["values"] == [-1024, 4976]


def test_a_fractional_slope_gives_floats(tmp_path: Path) -> None:
    image = opened(tmp_path, dicom(ramp(), RescaleSlope="0.5", RescaleIntercept="0.25"))
    assert image.mode == "F"
    assert np.allclose(np.asarray(image), ramp() * 0.5 + 0.25)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_monochrome1_is_shown_with_its_smallest_value_white(tmp_path: Path, dtype: type) -> None:
    pixels = ramp(0, 255, dtype)
    plain = first(write(tmp_path / "2", dicom(pixels)))
    inverted = first(write(tmp_path / "1", dicom(pixels, PhotometricInterpretation="MONOCHROME1")))
    assert plain[0, 0] < 5 < 250 < inverted[0, 0]
    assert np.array_equal(inverted, 255 - plain)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    st.integers(-200, 1200),
    st.integers(2, 2000),
    st.booleans(),
)
def test_a_window_shows_what_pydicom_shows(kind: str, center: int, width: int, inverted: bool) -> None:
    data = dicom(ramp(0, 1000), WindowCenter=center, WindowWidth=width, VOILUTFunction=kind)
    with np.errstate(over="ignore"):  # pydicom's exponential of a narrow window
        expected = apply_windowing(ramp(0, 1000), data) / (2**16 - 1) * 255
    shown = _dicom._through_window(ramp(0, 1000).astype(np.int32), data, inverted)
    assert np.abs((255 - shown if inverted else shown) - expected).max() <= 1


def test_a_window_of_no_width_is_refused() -> None:
    data = dicom(ramp(0, 10), WindowCenter=5, WindowWidth=0, VOILUTFunction="SIGMOID")
    with pytest.raises(UnusableError, match="a window of width 0, which shows nothing: set pixels=auto"):
        _dicom._through_window(ramp(0, 10).astype(np.int32), data, False)


def test_windows_are_applied_on_request_only_and_this_is_told(tmp_path: Path) -> None:
    root = write(tmp_path / "with", dicom(ramp(0, 4000), WindowCenter=[500, 9], WindowWidth=[200, 9]))
    plain = load(root)
    assert any("20 image(s) store a window of their own, which is not used: pixels=window" in n for n in plain.notes)
    shown = load(root, pixels="window")
    assert shown.images is not None
    assert shown.images["pixels"] == "window"
    assert set(np.unique(shown.train.images[0])) >= {0, 255}
    assert len(np.unique(plain.train.images[0])) > len(np.unique(shown.train.images[0]))
    other = Folder("folder", Folder.Config(path=root, size=SIDE)).like(shown.images)
    assert other.cfg.pixels == "window"
    with pytest.raises(DataError, match="stores no window, which pixels=window needs"):
        load(write(tmp_path / "without", dicom(ramp())), pixels="window")


def test_what_the_detector_did_not_see_does_not_stretch_the_range(tmp_path: Path) -> None:
    pixels = ramp(100, 1000, np.int16)
    pixels[:3] = -2000
    image = opened(tmp_path, dicom(pixels, PixelPaddingValue=-2000, RescaleSlope=1, RescaleIntercept=-50))
    assert np.asarray(image).min() == int(pixels[3:].min()) - 50


def test_colors_and_compressed_files_are_read(tmp_path: Path) -> None:
    colors = np.stack([ramp(0, 255, np.uint8)] * 3, axis=-1)
    colors[..., 1] = 7
    assert np.array_equal(first(write(tmp_path / "rgb", dicom(colors))), colors)
    packed = dicom(ramp(), BitsStored=12, HighBit=11)
    packed.compress(RLELossless)
    assert np.array_equal(first(write(tmp_path / "rle", packed)), first(write(tmp_path / "raw", dicom(ramp()))))


@pytest.mark.parametrize("name", ["RLE", "jp2klossless", "jpeg_ls_lossless", "bigendian", "implicit", "expb"])
def test_a_real_scan_is_the_same_in_every_lossless_compression(name: str) -> None:
    def scan(file: str) -> np.ndarray:
        path = get_testdata_file(file, download=False)
        if path is None:
            pytest.skip(f"this version of pydicom comes without {file}")
        return np.asarray(_dicom.open_dicom(File(DiskFolder(Path(str(path)).parent), file), windowed=False))

    plain = scan("MR_small.dcm")
    assert plain.max() > 1000
    assert np.array_equal(scan(f"MR_small_{name}.dcm"), plain)


def test_masks_of_one_bit_are_black_and_white_and_large_values_stay_what_they_are(tmp_path: Path) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[3:9] = 1
    assert set(np.unique(np.asarray(opened(tmp_path, dicom(mask, BitsStored=1, HighBit=0))))) == {0, 255}
    large = np.full((SIDE, SIDE), 3_000_000_000, np.uint32)
    large[0] = 0
    assert np.asarray(opened(tmp_path, dicom(large))).max() == pytest.approx(3e9)
    negative = first(write(tmp_path / "n", dicom(ramp(-1000, 1000, np.int32))))
    assert negative[0, 0] == 0
    assert negative[-1, -1] == 255


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"NumberOfFrames": 30, "PixelData": ramp().tobytes() * 30}, "holds several frames, expected one: 30"),
        ({"PhotometricInterpretation": "HSV"}, "a photometric interpretation that is not read: HSV"),
        ({"Rows": 2 * SIDE}, "damaged"),
    ],
)
def test_what_is_not_read_has_a_sentence(tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=rf"20 of 20 files.*\n  20 file\(s\): {told}"):
        load(write(tmp_path, dicom(ramp(), **fields)))


def test_a_report_without_an_image_is_called_so(tmp_path: Path) -> None:
    data = dicom(ramp(), Modality="SR")
    del data.PixelData
    with pytest.raises(DataError, match="a DICOM file without an image: SR"):
        load(write(tmp_path, data))


def test_encrypted_files_and_other_content_are_told_apart(tmp_path: Path) -> None:
    root = write(tmp_path, dicom(ramp()))
    (root / "a" / "0.dcm").write_bytes(b"\x30\x82\x10\x00" + _dicom.ENVELOPED + b"\0" * 500)
    (root / "a" / "1.dcm").write_bytes(b"text" * 100)
    (root / "a" / "2.dcm").write_bytes(b"")
    data = load(root, skip_corrupt=True)
    assert data.skipped == {
        "a/0.dcm": "an encrypted DICOM file: decrypt it where it comes from",
        "a/1.dcm": "not a DICOM file, as it has no DICOM header",
        "a/2.dcm": "the file is empty",
    }


def test_a_compression_that_no_package_here_reads_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders.base import JPEGLosslessSV1Decoder

    data = dicom(ramp())
    data.compress(RLELossless)
    data.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    monkeypatch.setattr(JPEGLosslessSV1Decoder, "_available", {})
    with pytest.raises(UnusableError, match=r"needs a further package: JPEG Lossless.* needs \w+"):
        opened(tmp_path, data)


def test_without_pydicom_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, dicom(ramp()))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match=r"pip install 'noisybench\[dicom\]'"):
        load(root, skip_corrupt=True)
