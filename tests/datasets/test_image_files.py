"""Image files keep what a person sees in them: depth, polarity, transparency, orientation, and the whole picture."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from benchmark.datasets import _images
from benchmark.datasets.base import Data, DataError
from benchmark.datasets.conversion import Conversion, Look, convert, describe
from benchmark.datasets.extra_tests import match
from benchmark.datasets.folder import Folder

SIDE = 16


def folder(root: Path, **options: object) -> Folder:
    return Folder("folder", Folder.Config(path=root, **{"size": SIDE, **options}))


def write(root: Path, *images: Image.Image, suffix: str = ".png", **options: Any) -> Path:
    """Ten copies of each image in the classes "a" and "b"."""
    for name in ("a", "b"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(10):
            for k, image in enumerate(images):
                image.save(root / name / f"{k}_{i}{suffix}", **options)
    return root


def read(root: Path, **options: object) -> Data:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return folder(root, **options).load()


def first(root: Path, **options: object) -> np.ndarray:
    """The pixels of the one image that was written, [SIDE, SIDE] or [SIDE, SIDE, 3]."""
    images = read(root, **options).train.images
    assert (images == images[0]).all()
    return images[0].squeeze()


def ramp(highest: int, dtype: type = np.uint16) -> np.ndarray:
    return np.linspace(0, highest, SIDE * SIDE).reshape(SIDE, SIDE).astype(dtype)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15, 16])
def test_the_bits_in_use_become_the_whole_range(tmp_path, suffix, bits):
    root = write(tmp_path, Image.fromarray(ramp(2**bits - 1)), suffix=suffix)
    pixels = first(root)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert len(np.unique(pixels)) > 200
    data = read(root)
    assert data.images is not None
    assert (data.images["values"], data.images["bit_depths"]) == ([0, 2**bits - 1], [16])
    assert f"gray values 0 to {2**bits - 1} became 0 to 255" in describe(data.images).replace("e+0", "e")


def test_full_uses_the_range_of_the_type_and_a_range_of_ones_own_is_taken(tmp_path):
    root = write(tmp_path, Image.fromarray(ramp(4095)))
    assert first(root, pixels="full").max() == round(4095 * 255 / 65535)
    assert first(root, pixels=(0, 2047)).max() == 255
    assert (first(root, pixels=(0, 2047)) == 255).mean() == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValidationError, match="auto, full, percentile"):
        folder(root, pixels=(5, 5))
    with pytest.raises(ValidationError, match="auto, full, percentile"):
        folder(root, pixels="ful")


def test_one_rule_holds_for_all_images_of_a_data_set(tmp_path):
    dark, bright = ramp(1000), ramp(4095)
    bright[0, 0] = dark[0, 1] = 777
    data = read(write(tmp_path, Image.fromarray(dark), Image.fromarray(bright)))
    assert data.train.files is not None
    by_file = {
        Path(name).name[0]: image.squeeze() for name, image in zip(data.train.files, data.train.images, strict=True)
    }
    assert by_file["0"].max() == round(1000 * 255 / 4095)
    assert by_file["0"][0, 1] == by_file["1"][0, 0] == round(777 * 255 / 4095)


@given(st.lists(st.integers(0, 65_535), min_size=2, max_size=20), st.sampled_from(["auto", "full", "percentile"]))
def test_every_rule_keeps_the_order_of_gray_values(values, pixels):
    gray = np.array([values], dtype=np.uint16)
    how = convert([Look(1, 1, 16, color=False).with_values(gray, 100)], pixels, "auto")
    eight = how.to_uint8(np.sort(gray), inverted=False).astype(int)
    assert (np.diff(eight) >= 0).all()
    assert np.array_equal(255 - eight, how.to_uint8(np.sort(gray), inverted=True))
    if pixels == "auto":
        assert how.values is not None
        assert how.values[1] < 2 * max(256, *values)


def test_outliers_hide_the_picture_and_percentiles_show_it(tmp_path):
    values = ramp(4095)
    values[0, 0] = 65_535
    root = write(tmp_path, Image.fromarray(values))
    data = read(root)
    assert any("pixels=percentile" in note for note in data.notes)
    assert len(np.unique(first(root, pixels="percentile"))) > 200
    assert not any("percentile" in note for note in read(write(tmp_path / "fine", Image.fromarray(ramp(4095)))).notes)


def inverted_tiff(path: Path, image: Image.Image) -> None:
    """The image as a TIFF file whose header says that the smallest value is white; its values stay."""
    image.save(path, format="TIFF")
    content = path.read_bytes()
    black, white = (struct.pack("<HHIH", 262, 3, 1, value) for value in (1, 0))
    assert content.count(black) == 1
    path.write_bytes(content.replace(black, white))


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(ramp(4095)),
        Image.fromarray(ramp(255, np.uint8)),
        Image.fromarray(ramp(255, np.uint8)).convert("1"),
        Image.fromarray(ramp(4095, np.float32)),
    ],
    ids=["16 bit", "8 bit", "1 bit", "float"],
)
def test_min_is_white_is_shown_with_its_smallest_value_white(tmp_path, image):
    black, white = write(tmp_path / "black", image, suffix=".tif"), write(tmp_path / "white", image, suffix=".tif")
    for path in white.rglob("*.tif"):
        inverted_tiff(path, image)
    assert np.array_equal(first(white), 255 - first(black))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(-1024, 3071, SIDE * SIDE).astype(np.int32), [-1024, 3071]),
        (np.linspace(0, 1, SIDE * SIDE).astype(np.float32), [0, 1]),
        (np.linspace(0, 100_000, SIDE * SIDE).astype(np.int32), [0, 100_000]),
        (np.linspace(-3.5, 200, SIDE * SIDE).astype(np.float32), [-3.5, 200]),
    ],
)
def test_signed_values_and_floats_are_scaled_by_what_occurs(tmp_path, values, expected):
    root = write(tmp_path, Image.fromarray(values.reshape(SIDE, SIDE)), suffix=".tif")
    data = read(root)
    assert data.images is not None
    assert data.images["values"] == pytest.approx(expected)
    assert len(np.unique(first(root))) > 200
    with pytest.raises(DataError, match="no full range"):
        read(root, pixels="full")


def test_unsigned_32_bit_values_do_not_turn_negative(tmp_path):
    root = write(
        tmp_path,
        Image.fromarray(np.linspace(0, 2**31 - 1, SIDE**2).astype(np.int32).reshape(SIDE, SIDE)),
        suffix=".tif",
    )
    for path in root.rglob("*.tif"):
        content = path.read_bytes()
        signed, unsigned = (struct.pack("<HHIH", 339, 3, 1, value) for value in (2, 1))
        assert content.count(signed) == 1
        values = np.linspace(0, 2**32 - 1, SIDE**2).astype("<u4").tobytes()
        start = content.index(np.linspace(0, 2**31 - 1, SIDE**2).astype("<i4").tobytes())
        content = content[:start] + values + content[start + len(values) :]
        path.write_bytes(content.replace(signed, unsigned))
    pixels = first(root).ravel().astype(int)
    assert (np.diff(pixels) >= 0).all()
    assert (pixels[0], pixels[-1]) == (0, 255)


def test_a_tiff_of_another_kind_is_called_so(tmp_path):
    root = write(tmp_path, Image.fromarray(ramp(4095, np.float32)), suffix=".tif")
    for path in root.rglob("*.tif"):
        before, after = (struct.pack("<HHIH", 258, 3, 1, value) for value in (32, 16))
        path.write_bytes(path.read_bytes().replace(before, after))
    with pytest.raises(DataError, match="a TIFF of a kind that is not read: save gray values"):
        read(root)


def test_transparent_parts_are_white_and_not_what_they_hide(tmp_path):
    hidden = np.zeros((SIDE, SIDE, 4), np.uint8)
    hidden[4:12, 4:12] = (200, 10, 10, 255)
    root = write(tmp_path, Image.fromarray(hidden))
    pixels = first(root)
    assert (pixels[0, 0] == 255).all()
    assert pixels[8, 8].tolist() == [200, 10, 10]
    assert any("transparent parts are white" in note for note in read(root).notes)


@pytest.mark.parametrize("mode", ["LA", "P", "RGB"])
def test_all_kinds_of_transparency_are_seen(tmp_path, mode):
    if mode == "LA":
        image = Image.new("LA", (SIDE, SIDE), (0, 0))
        options: dict[str, Any] = {}
    else:
        image = Image.new(mode, (SIDE, SIDE), 0)
        options = {"transparency": 0 if mode == "P" else (0, 0, 0)}
    assert (first(write(tmp_path, image, **options)) == 255).all()


def test_palette_cmyk_and_one_bit_images_keep_their_colors(tmp_path):
    red = Image.new("RGB", (SIDE, SIDE), (255, 0, 0))
    assert first(write(tmp_path / "p", red.convert("P")))[3, 3].tolist() == [255, 0, 0]
    assert first(write(tmp_path / "c", red.convert("CMYK"), suffix=".tif"))[3, 3].tolist() == [255, 0, 0]
    checks = Image.fromarray(np.indices((SIDE, SIDE)).sum(0) % 2 == 1)
    assert set(np.unique(first(write(tmp_path / "1", checks)))) == {0, 255}


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
def test_orientation_of_the_camera_is_applied(tmp_path, suffix):
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[:, : SIDE // 2] = 250
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees, clockwise
    root = write(tmp_path, Image.fromarray(pixels), suffix=suffix, exif=exif)
    upright = first(root).astype(int)
    assert upright[:6].min() > 200 > 50 > upright[-6:].max()


def test_a_file_of_several_images_is_refused_but_a_smaller_copy_does_not_count(tmp_path):
    page = Image.fromarray(ramp(255, np.uint8))
    root = write(tmp_path / "pages", page, suffix=".tif", save_all=True, append_images=[page])
    with pytest.raises(DataError, match="holds 2 images, expected one"):
        read(root)
    for path in root.rglob("*.tif"):
        small = page.resize((4, 4))
        small.encoderinfo = {"tiffinfo": {254: 1}}
        page.save(path, save_all=True, append_images=[small])
    assert np.array_equal(first(root), ramp(255, np.uint8))


def wide() -> Image.Image:
    pixels = np.full((SIDE, 3 * SIDE), 100, np.uint8)
    pixels[:, :4] = pixels[:, -4:] = 220
    return Image.fromarray(pixels)


def test_clearly_oblong_images_are_kept_whole_by_default_and_this_is_told(tmp_path):
    root = write(tmp_path, wide())
    pixels = first(root)
    assert pixels[SIDE // 2, 0] > 150 < pixels[SIDE // 2, -1]
    assert (pixels[0] == 0).all()
    images = read(root).images
    assert images is not None
    assert (images["fit"], images["share_cropped"], images["smallest"]) == ("pad", 0, [48, 16])
    assert "padded" in describe(images)


def test_crop_and_stretch_do_what_they_say(tmp_path):
    root = write(tmp_path, wide())
    assert (first(root, fit="crop") == 100).all()
    stretched = first(root, fit="stretch")
    assert stretched[0, 0] > 150
    assert stretched.min() >= 90
    images = read(root, fit="crop").images
    assert images is not None
    assert images["share_cropped"] == pytest.approx(2 / 3)
    assert "66.7% of the pixels cut away" in describe(images)


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), min_size=1, max_size=8))
def test_the_default_never_cuts_away_more_than_a_tenth(sizes):
    looks = [Look(width, height, 8, color=False) for width, height in sizes]
    how = convert(looks, "auto", "auto")
    worst = max(1 - min(size) / max(size) for size in sizes)
    assert how.fit == ("crop" if worst <= 0.1 else "pad")


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["crop", "pad", "stretch"]))
def test_images_of_any_shape_become_squares(tmp_path_factory, width, height, fit):
    root = write(tmp_path_factory.mktemp("any"), Image.new("L", (width, height), 90))
    pixels = first(root, fit=fit)
    assert pixels.shape == (SIDE, SIDE)
    assert (pixels == 90).any()


def test_colors_of_16_bits_that_would_be_nearly_black_are_refused():
    look = Look(1, 1, 16, color=True).with_upper_bits(np.full((1, 1, 3), 15, np.uint8))
    with pytest.raises(DataError, match="nearly black"):
        convert([look], "auto", "auto")
    assert convert([look], "full", "auto") == Conversion("crop", None)


def test_an_extra_test_set_is_scaled_and_fitted_as_the_main_set(tmp_path):
    main = read(write(tmp_path / "main", Image.fromarray(ramp(4095)), wide()))
    theirs = folder(write(tmp_path / "theirs", Image.fromarray(ramp(1000))))
    assert main.images is not None
    other = theirs.like(main.images).load_extra_test()
    assert other.test.images.max() == round(1000 * 255 / 4095)
    assert other.images is not None
    assert (other.images["fit"], other.images["values"]) == ("pad", [0, 4095])
    assert not any("scale" in note for note in match(main, "theirs", other).notes)
    alone = theirs.load_extra_test()
    assert any("scale of its own" in note for note in match(main, "theirs", alone).notes)
    own = folder(tmp_path / "theirs", pixels="full").like(main.images)
    assert own.cfg.pixels == "full", "what the user asks for is kept"


def test_a_file_that_cannot_be_read_now_is_no_damaged_image(tmp_path, monkeypatch):
    root = write(tmp_path, Image.fromarray(ramp(255, np.uint8)))

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(DataError, match=r"cannot read .*png \(Permission denied\)"):
        read(root, skip_corrupt=True)


@pytest.mark.parametrize("worth", [0.0, 1e9])
def test_threads_change_no_pixel_and_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worth: float) -> None:
    """Several hundred images, each of another gray, beside a damaged one: read one after another, and by threads."""
    for i in range(300):
        folder_of = tmp_path / "ab"[i % 2]
        folder_of.mkdir(exist_ok=True)
        Image.new("L", (SIDE, SIDE), i % 256).save(folder_of / f"{i:03d}.png")
    (tmp_path / "a" / "damaged.png").write_bytes(b"no image")
    monkeypatch.setattr(_images, "WORTH_A_THREAD", worth)
    data = read(tmp_path, skip_corrupt=True)
    assert len(data.skipped) == 1
    for part in (data.train, data.val, data.test):
        assert part is not None
        assert part.files is not None
        numbers = [int(Path(name).stem) % 256 for name in part.files]
        assert part.images[:, 0, 0, 0].tolist() == numbers
