"""Counts, duplicates, pixel statistics, contact sheets, and the script that builds pbc_28.npz."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.datasets import statistics
from benchmark.datasets.base import Arrays, Data
from benchmark.datasets.npz import Npz

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_pbc.py"


@pytest.fixture
def data() -> Data:
    rng = np.random.default_rng(0)

    def part(n):
        return Arrays(rng.integers(0, 256, (n, 6, 6, 3), dtype=np.uint8), np.arange(n, dtype=np.int64) % 2)

    train, val, test = part(10), part(4), part(5)
    copies = train.images.copy()
    copies[7] = copies[2]  # labels 1 and 0: a conflict within train
    shared = test.images.copy()
    shared[1] = copies[4]
    shared[3] = 50
    return Data("x", 2, ("cat", "dog"), Arrays(copies, train.labels), Arrays(shared, test.labels), val)


def test_counts_are_per_class_and_split(data):
    counts = statistics.class_counts(data)
    assert counts.loc["cat"].to_dict() == {"train": 5, "val": 2, "test": 3}
    assert counts.to_numpy().sum() == 19


def test_duplicates_within_and_across_splits_are_found(data):
    found = statistics.duplicates(data)
    places = [tuple(zip(g["split"], g["index"], strict=True)) for _, g in found.groupby("group")]
    assert sorted(places) == [(("train", 2), ("train", 7)), (("train", 4), ("test", 1))]
    shared = statistics.duplicate_counts(found, ["train", "val", "test"])
    assert shared.to_numpy().tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_findings_name_leaks_conflicts_and_flat_images(data):
    told = "\n".join(statistics.findings(data))
    assert "1 image(s) occur more than once within train" in told
    assert "1 image(s) of train occur in test too" in told
    assert "different labels" in told
    assert "1 image(s) of test are of one color" in told


def test_nothing_is_found_in_clean_data(data):
    clean = Data("x", 2, ("cat", "dog"), data.train.take(np.array([0, 1, 3, 5])), data.val)
    assert statistics.findings(clean) == []


def test_channel_statistics_equal_numpy_on_floats(data):
    mean, sd = statistics.channel_stats(data.train)
    pixels = data.train.images.reshape(-1, 3) / 255
    assert mean == pytest.approx(pixels.mean(0), abs=1e-12)
    assert sd == pytest.approx(pixels.std(0), abs=1e-12)


def test_real_pneumonia_set_has_its_known_duplicates(real):
    data = Npz("npz", Npz.Config(path=real("pneumoniamnist.npz"))).load()
    assert any("train occur in val" in line for line in statistics.findings(data))


@pytest.fixture
def make_pbc():
    spec = importlib.util.spec_from_file_location("make_pbc", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_make_pbc_follows_its_recipe(make_pbc, tmp_path):
    rng = np.random.default_rng(0)
    for name in make_pbc.CLASSES:
        folder = tmp_path / "source" / name
        folder.mkdir(parents=True)
        for i in range(10):
            Image.fromarray(rng.integers(0, 256, (221, 230, 3), dtype=np.uint8)).save(folder / f"{i}.png")
        (folder / ".DS_Store").write_text("x")
    first = tmp_path / "source" / "basophil" / "3.png"
    (tmp_path / "source" / "basophil" / "copy.png").write_bytes(first.read_bytes())
    (tmp_path / "source" / "platelet" / "0copy.png").write_bytes(first.read_bytes())
    out = tmp_path / "out.npz"
    make_pbc.main([str(tmp_path / "source"), str(out)])
    data = Npz("npz", Npz.Config(path=out)).load()
    for part, per_class in ((data.train, 7), (data.val, 1), (data.test, 2)):
        assert np.bincount(part.labels).tolist() == [per_class] * 8
    draw = np.random.default_rng(0)
    order = [draw.permutation(np.arange(k * 10, k * 10 + 10)) for k in range(8)]
    files = [path for name in make_pbc.CLASSES for path in sorted((tmp_path / "source" / name).glob("?.png"))]
    for position, i in enumerate(np.sort(np.concatenate([o[8:] for o in order]))):
        with Image.open(files[i]) as image:
            expected = image.convert("RGB").crop((15, 10, 215, 210)).resize((28, 28), Image.Resampling.BICUBIC)
        assert np.array_equal(data.test.images[position], np.asarray(expected))


def test_make_pbc_names_missing_folders(make_pbc, tmp_path):
    with pytest.raises(SystemExit, match="no folder basophil"):
        make_pbc.main([str(tmp_path), str(tmp_path / "out.npz")])


def test_real_pbc_file_has_the_split_sizes_and_order_of_the_recipe(real, make_pbc):
    data = Npz("npz", Npz.Config(path=real("pbc_28.npz"))).load()
    labels = np.sort(np.concatenate([data.train.labels, data.val.labels, data.test.labels]))
    index = make_pbc.split(labels)
    for name, part in (("train", data.train), ("val", data.val), ("test", data.test)):
        assert np.array_equal(part.labels, labels[index[name]])


def test_a_rater_of_whom_a_split_has_no_label_does_not_differ_in_none_of_them():
    images, labels = np.zeros((4, 2, 2, 1), np.uint8), np.array([0, 1, 0, 1])
    given = {"A": np.array([0, 0, -1, -1]), "B": np.full(4, -1), "C": labels}
    assert statistics.about_names(Arrays(images, labels, given=given, groups=("p", "p", "q", "q"))) == [
        "labels 'A' differ from the main ones in 1 of the 2 images that have one (50.0%)",
        "labels 'B': no image has one",
        "labels 'C' differ from the main ones in 0 of the 4 images (0.0%)",
        "2 patients or other groups, 2 image(s) each",
    ]
