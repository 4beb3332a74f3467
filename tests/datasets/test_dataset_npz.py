"""Files in MedMNIST layout: what is read, and what is refused in one clear sentence."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from benchmark.datasets.base import DataError
from benchmark.datasets.npz import Npz


def load(path):
    return Npz("npz", Npz.Config(path=path)).load()


def refuse(path, *words):
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(("channels", "shape"), [(1, (8, 8, 1)), (3, (8, 8, 3))])
def test_gray_and_rgb_files_load_with_labels_squeezed_once(layout, write_npz, channels, shape):
    data = load(write_npz(layout(channels)))
    assert data.train.images.shape[1:] == shape
    assert data.train.labels.shape == (30,)
    assert data.train.labels.dtype == np.int64
    assert (data.name, data.num_classes, len(data.val), len(data.test)) == ("cells", 3, 9, 12)


def test_flat_labels_equal_column_labels(layout, write_npz):
    arrays = layout()
    column = load(write_npz(arrays))
    flat = load(write_npz({k: v[:, 0] if "labels" in k else v for k, v in arrays.items()}, "flat.npz"))
    assert np.array_equal(column.train.labels, flat.train.labels)


def test_missing_validation_split_is_allowed(layout, write_npz):
    assert load(write_npz({k: v for k, v in layout().items() if "val" not in k})).val is None


def test_further_label_arrays_are_given_by_name(layout, write_npz):
    arrays = layout()
    arrays["train_labels_worse"] = (arrays["train_labels"] + 1) % 3
    arrays["val_labels_worse"] = (arrays["val_labels"] + 1) % 3
    data = load(write_npz(arrays))
    assert list(data.train.given) == ["worse"] == list(data.val.given)
    assert np.array_equal(data.train.given["worse"], (data.train.labels + 1) % 3)


@pytest.mark.parametrize("name", ["train_images", "train_labels", "test_images", "test_labels"])
def test_missing_train_or_test_array_is_refused(layout, write_npz, name):
    arrays = layout()
    del arrays[name]
    refuse(write_npz(arrays), f"no {name}")


@pytest.mark.parametrize("name", ["val_images", "val_labels"])
def test_half_a_validation_split_is_refused(layout, write_npz, name):
    arrays = layout()
    del arrays[name]
    refuse(write_npz(arrays), f"no {name}")


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "float images": ({"train_images": np.zeros((30, 8, 8, 3))}, ["float64", "expected uint8"]),
    "NaN images": ({"train_images": np.full((30, 8, 8, 3), np.nan)}, ["NaN", "expected uint8"]),
    "four channels": ({"train_images": np.zeros((30, 8, 8, 4), np.uint8)}, ["(30, 8, 8, 4)", "RGB"]),
    "flat images": ({"train_images": np.zeros((30, 64), np.uint8)}, ["(30, 64)"]),
    "oblong images": ({"train_images": np.zeros((30, 8, 9, 3), np.uint8)}, ["8x9", "square"]),
    "mixed sizes": ({"test_images": np.zeros((12, 9, 9, 3), np.uint8)}, ["mixes image shapes", "(9, 9, 3)"]),
    "mixed channels": ({"test_images": np.zeros((12, 8, 8), np.uint8)}, ["mixes image shapes"]),
    "no image": ({"test_images": np.zeros((0, 8, 8, 3), np.uint8)}, ["test_images holds no image"]),
    "too few labels": ({"train_labels": np.zeros(29, int)}, ["(29,)", "30 images"]),
    "scalar label": ({"train_labels": np.int64(1)}, ["one label per image"]),
    "float labels": ({"train_labels": np.zeros(30)}, ["float64", "integers"]),
    "NaN labels": ({"train_labels": np.array([0.0, np.nan] * 15)}, ["NaN at index 1"]),
    "one-hot labels": ({"train_labels": np.eye(3, dtype=int)[np.arange(30) % 3]}, ["(30, 3)", "(n, 1)"]),
    "text labels": ({"train_labels": np.array(["a"] * 30)}, ["integers"]),
    "one class": ({"train_labels": np.ones(30, int)}, ["all training labels are 1", "two classes"]),
    "negative label": ({"train_labels": np.arange(30) % 3 - 1}, ["holds -1"]),
    "gap in classes": ({"train_labels": np.arange(30) % 2 * 9}, ["up to 9", "label 1"]),
    "labels from 1": ({"train_labels": np.arange(30) % 3 + 1}, ["label 0"]),
    "test label out of range": (
        {"test_labels": np.arange(12) % 4},
        ["test_labels holds 3 at index 3", "0..2"],
    ),
    "given out of range": ({"train_labels_x": np.full(30, 3)}, ["train_labels_x holds 3"]),
    "given too short": ({"train_labels_x": np.zeros(3, int)}, ["train_labels_x", "30 images"]),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_arrays_are_refused_in_one_sentence(layout, write_npz, case):
    change, words = BAD[case]
    refuse(write_npz({**layout(), **change}), *words)


def test_object_arrays_are_never_unpickled(layout, write_npz, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    path = write_npz({**layout(), "train_images": np.array([Bomb()] * 30, dtype=object)})
    refuse(path, "train_images", "Python objects")
    assert not (tmp_path / "ran").exists()


def test_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.npz"
    path.touch()
    refuse(path, "empty")


def test_foreign_bytes_are_refused(tmp_path):
    path = tmp_path / "noise.npz"
    path.write_bytes(np.random.default_rng(0).bytes(4096))
    refuse(path, "corrupt")


def test_single_array_file_is_refused(tmp_path):
    path = tmp_path / "single.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    refuse(path, "single array")


def test_file_cut_off_anywhere_is_refused(layout, write_npz, tmp_path):
    whole = write_npz(layout()).read_bytes()
    for share in (0.01, 0.3, 0.6, 0.95, 0.999):
        path = tmp_path / "cut.npz"
        path.write_bytes(whole[: int(len(whole) * share)])
        refuse(path)


def test_flipped_byte_in_compressed_pixels_is_refused(layout, write_npz):
    path = write_npz(layout())
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    refuse(path, "damaged")


def test_array_that_claims_more_than_it_holds_is_refused(layout, write_npz, tmp_path):
    path = write_npz(layout())
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**14, 8, 8, 3)})
    forged = tmp_path / "forged.npz"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(forged, "w") as target:
        for name in source.namelist():
            target.writestr(name, header.getvalue() if name == "train_images.npy" else source.read(name))
    refuse(forged, "train_images")


def test_missing_file_is_refused_by_the_configuration(tmp_path):
    with pytest.raises(ValidationError, match="file"):
        Npz.Config(path=tmp_path / "absent.npz")


def test_home_folder_is_expanded_in_the_path(layout, write_npz, monkeypatch):
    path = write_npz(layout())
    monkeypatch.setenv("HOME", str(path.parent))
    assert Npz.Config(path="~/cells.npz").path == path


def test_digest_follows_content_and_not_the_path(layout, write_npz):
    first, copy = write_npz(layout(), "a.npz"), write_npz(layout(), "b.npz")
    other = write_npz(layout(channels=1), "c.npz")
    digest = [Npz("npz", Npz.Config(path=path)).digest() for path in (first, copy, other)]
    assert digest[0] == digest[1] != digest[2]
    assert digest[0].startswith("sha256:")


def test_real_blood_cells_load_as_documented(real):
    data = load(real("pbc_28.npz"))
    assert (len(data.train), len(data.val), len(data.test), data.num_classes) == (11953, 1707, 3415, 8)
    assert data.train.images.shape[1:] == (28, 28, 3)


def test_real_human_labels_have_their_measured_error_rates(real):
    data = load(real("cifar10n_10k.npz"))
    wrong = {name: float((labels != data.train.labels).mean()) for name, labels in data.train.given.items()}
    assert wrong["aggre"] == pytest.approx(0.091, abs=0.002)
    assert wrong["worse"] == pytest.approx(0.411, abs=0.002)
    assert all(0.176 < wrong[f"random_{i}"] < 0.186 for i in (1, 2, 3))
    assert set(data.val.given) == set(data.train.given)
