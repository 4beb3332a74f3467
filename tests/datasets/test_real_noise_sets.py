"""Sets with noise of their own, read from files laid out as their authors publish them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.datasets._listed import number
from benchmark.datasets.base import Data, DataError, Dataset
from benchmark.datasets.cache import cached
from benchmark.datasets.cifar import Cifar
from benchmark.datasets.cifar10h import Cifar10H
from benchmark.datasets.real_noise import Animal10N, Chaoyang, Clothing1M, Food101N


def draw(path: Path, gray: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 20, 3), gray, np.uint8)).save(path, quality=95)


def opened(kind: type[Dataset], **options: Any) -> Dataset:
    return kind(kind.names[0], kind.Config.model_validate({"size": 16, **options}))


def grays(data: Data) -> list[int]:
    return [round(float(image.mean())) for image in data.train.images]


@pytest.fixture
def chaoyang(tmp_path: Path) -> Path:
    rows = [
        {"label": k % 4, "name": f"train/{k}.JPG", "label_A": k % 4, "label_B": (k + 1) % 4, "label_C": None}
        for k in range(8)
    ]
    tests = [{"label": k, "name": f"test/{k}.JPG"} for k in range(4)]
    for row in (*rows, *tests):
        draw(tmp_path / str(row["name"]), 40 * int(str(row["label"])) + 10)
    (tmp_path / "train.json").write_text(json.dumps([{k: row[k] for k in ("name", "label")} for row in rows]))
    (tmp_path / "train_label.json").write_text(json.dumps(rows))
    (tmp_path / "test.json").write_text(json.dumps(tests))
    return tmp_path


def test_chaoyang_has_three_pathologists_as_raters(chaoyang: Path) -> None:
    data = opened(Chaoyang, path=chaoyang).load()
    assert data.classes == ("normal", "serrated", "adenocarcinoma", "adenoma")
    assert (len(data.train), len(data.test), data.val) == (8, 4, None)
    assert data.train.images.shape == (8, 16, 16, 3)
    assert grays(data) == [40 * (k % 4) + 10 for k in range(8)]
    assert {name: labels.tolist()[:4] for name, labels in data.train.given.items()} == {
        "a": [0, 1, 2, 3],
        "b": [1, 2, 3, 0],
        "c": [-1, -1, -1, -1],
    }
    (chaoyang / "train_label.json").unlink()
    plain = opened(Chaoyang, path=chaoyang).load()
    assert not plain.train.given
    assert "single pathologists' labels are absent" in plain.notes[0]


def test_labels_enter_the_digest_and_the_path_does_not(chaoyang: Path, tmp_path: Path) -> None:
    before = opened(Chaoyang, path=chaoyang).digest()
    assert before == opened(Chaoyang, path=chaoyang).digest()
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    chaoyang.rename(moved)
    assert opened(Chaoyang, path=moved).digest() == before
    rows = json.loads((moved / "train_label.json").read_text())
    rows[0]["label_B"] = 3
    (moved / "train_label.json").write_text(json.dumps(rows))
    assert opened(Chaoyang, path=moved).digest() != before


def test_a_decoded_set_survives_the_cache(chaoyang: Path, tmp_path: Path) -> None:
    one = opened(Chaoyang, path=chaoyang)
    for _ in range(2):
        data = cached(one, tmp_path / "cache")
        assert data.train.given["c"].tolist() == [-1] * 8
        assert data.train.files is not None
        assert data.train.files[0] == "train/0.JPG"


@pytest.mark.parametrize("where", ["", "annotations", "label"])
def test_clothing1m_takes_noisy_labels_to_train_and_checked_ones_to_test(tmp_path: Path, where: str) -> None:
    lists = tmp_path / where
    lists.mkdir(exist_ok=True)
    keys = {f"images/0/{k},{k}.jpg": k % 14 for k in range(36)}
    for key, label in keys.items():
        draw(tmp_path / key, 10 * label)
    names = list(keys)
    splits = {"noisy_train": names[:28], "clean_val": names[28:32], "clean_test": names[32:]}
    for split, chosen in splits.items():
        (lists / f"{split}_key_list.txt").write_text("\n".join(chosen) + "\n")
    (lists / "noisy_label_kv.txt").write_text("".join(f"{key} {label}\n" for key, label in keys.items()))
    (lists / "clean_label_kv.txt").write_text("".join(f"{key} {(k + 1) % 14}\n" for key, k in keys.items()))
    data = opened(Clothing1M, path=tmp_path).load()
    assert data.val is not None
    assert (len(data.train), len(data.val), len(data.test)) == (28, 4, 4)
    assert data.train.labels.tolist() == [k % 14 for k in range(28)]
    assert data.val.labels.tolist() == [(k + 1) % 14 for k in range(28, 32)]
    assert "as_is" in data.notes[0]
    few = opened(Clothing1M, path=tmp_path, train_images=14).load()
    assert sorted(few.train.labels.tolist()) == list(range(14))


def test_animal10n_reads_the_class_off_the_names(tmp_path: Path) -> None:
    for folder, n in (("training", 20), ("testing", 10)):
        for k in range(n):
            draw(tmp_path / folder / f"{k % 10}_{k:05}.jpg", 20 * (k % 10))
    data = opened(Animal10N, path=tmp_path).load()
    assert data.classes[3] == "coyote"
    assert data.train.labels.tolist() == sorted(k % 10 for k in range(20))
    assert grays(data) == [20 * label for label in data.train.labels]
    draw(tmp_path / "training" / "cat.jpg", 0)
    with pytest.raises(DataError, match=r"cat\.jpg: the label is 'c', expected a number from 0 to 9"):
        opened(Animal10N, path=tmp_path).load()


def test_food101n_is_tested_on_food101(tmp_path: Path) -> None:
    noisy, clean = tmp_path / "Food-101N_release", tmp_path / "food-101"
    classes = ["apple_pie", "beef_tartare", "waffles"]
    train = [f"{name}/{k}.jpg" for name in classes for k in range(2)]
    for key in train:
        draw(noisy / "images" / key, 30)
        draw(clean / "images" / key, 90)
    for folder in (noisy, clean):
        (folder / "meta").mkdir()
    (noisy / "meta" / "classes.txt").write_text("class_name\n" + "\n".join(classes))
    (noisy / "meta" / "imagelist.tsv").write_text("class_name/key\n" + "\n".join(train))
    (clean / "meta" / "test.txt").write_text("\n".join(f"{name}/1" for name in classes))
    one = opened(Food101N, path=noisy, food101=clean)
    data = one.load()
    assert data.classes == tuple(classes)
    assert data.train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.test.labels.tolist() == [0, 1, 2]
    assert round(float(data.test.images.mean())) == 90
    assert set(one.path_digests()) == {noisy, clean}
    (clean / "meta" / "test.txt").write_text("sushi/1")
    with pytest.raises(DataError, match="whose class 'sushi' is not in meta/classes"):
        opened(Food101N, path=noisy, food101=clean).load()
    (noisy / "meta" / "classes.txt").write_text("\n".join([*classes, classes[0]]))
    with pytest.raises(DataError, match=r"classes\.txt names a class twice"):
        opened(Food101N, path=noisy, food101=clean).load()


@pytest.mark.parametrize(
    "name", ["../outside.jpg", "images/../../outside.jpg", "{root}/outside.jpg", "..\\\\outside.jpg"]
)
def test_a_list_leads_to_no_image_elsewhere(name: str, chaoyang: Path) -> None:
    draw(chaoyang.parent / "outside.jpg", 10)
    rows = json.loads((chaoyang / "train_label.json").read_text())
    rows[0]["name"] = name.replace("{root}", str(chaoyang.parent))
    (chaoyang / "train_label.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match=r"outside\.jpg', which leads out of .*; expected names of images below it"):
        opened(Chaoyang, path=chaoyang, skip_corrupt=True).load()


@pytest.mark.parametrize("label", ["1_0", "\u0661", "+1", "1.0", "-1", "True", "9" * 5000, ""])
def test_a_label_of_a_list_is_digits_alone(label: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a number from 0 to 13"):
        number(label, 14, "line 1")
    assert (number("13", 14, "line 1"), number(3, 14, "line 1"), number("07", 14, "line 1")) == (13, 3, 7)


def test_an_image_of_clothing1m_with_two_labels_is_refused(tmp_path: Path) -> None:
    for list_of_keys in ("noisy_train_key_list.txt", "clean_val_key_list.txt", "clean_test_key_list.txt"):
        (tmp_path / list_of_keys).write_text("images/0.jpg\n")
    (tmp_path / "clean_label_kv.txt").write_text("images/0.jpg 1\n")
    (tmp_path / "noisy_label_kv.txt").write_text("images/0.jpg 1\nimages/0.jpg 1\nimages/0.jpg 2\n")
    with pytest.raises(DataError, match=r"line 3: images/0\.jpg has the label 2 here and 1 before"):
        opened(Clothing1M, path=tmp_path).load()


def test_faults_of_lists_are_told_with_what_was_expected(chaoyang: Path) -> None:
    (chaoyang / "train/0.JPG").unlink()
    with pytest.raises(DataError, match=r"1 of 12 files .* cannot be used(.|\n)*train/0\.JPG"):
        opened(Chaoyang, path=chaoyang).load()
    kept = opened(Chaoyang, path=chaoyang, skip_corrupt=True).load()
    assert (len(kept.train), [*kept.skipped]) == (7, ["train/0.JPG"])
    (chaoyang / "test.json").write_text('[{"name": "test/0.JPG", "label": 7}]')
    with pytest.raises(DataError, match="entry 0: the label is 7, expected a number from 0 to 3"):
        opened(Chaoyang, path=chaoyang).load()
    (chaoyang / "test.json").write_text("{}")
    with pytest.raises(DataError, match="expected a JSON list"):
        opened(Chaoyang, path=chaoyang).load()
    with pytest.raises(DataError, match=r"holds no noisy_train_key_list\.txt"):
        opened(Clothing1M, path=chaoyang).load()
    with pytest.raises(DataError, match="no folder training/"):
        opened(Animal10N, path=chaoyang).load()


@pytest.fixture
def cifar10h(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """400 images in the place of CIFAR-10's test set."""
    labels = np.arange(400, dtype=np.int64) % 10
    images = np.arange(400, dtype=np.int64)[:, None, None, None].repeat(32, 1).repeat(32, 2).repeat(3, 3)
    from benchmark.datasets.base import Arrays

    part = Arrays((images % 256).astype(np.uint8), labels)
    data = Data("cifar10", 10, tuple("abcdefghij"), part, part)
    monkeypatch.setattr(Cifar, "load", lambda self, progress=None: data)
    counts = np.eye(10, dtype=np.int64)[labels] * 40 + np.eye(10, dtype=np.int64)[(labels + 1) % 10] * 10
    np.save(tmp_path / "cifar10h-counts.npy", counts)
    return tmp_path


def test_cifar10h_splits_the_test_images_and_keeps_their_counts(cifar10h: Path) -> None:
    one = Cifar10H("cifar10h", Cifar10H.Config(), cifar10h)
    data = one.load()
    assert data.val is not None
    assert (len(data.train), len(data.val), len(data.test)) == (300, 20, 80)
    assert data.train.counts is not None
    np.testing.assert_array_equal(data.train.counts.argmax(1), data.train.labels)
    order = one.original_order("train", 300)
    np.testing.assert_array_equal(data.train.images[:, 0, 0, 0], order % 256)
    assert not set(order) & set(one.original_order("test", 80))


def test_counts_in_another_order_or_absent_are_refused(cifar10h: Path) -> None:
    path = cifar10h / "cifar10h-counts.npy"
    np.save(path, np.load(path)[::-1].copy())
    with pytest.raises(DataError, match="another order"):
        Cifar10H("cifar10h", Cifar10H.Config(), cifar10h).load()
    path.unlink()
    with pytest.raises(DataError, match=r"download cifar10h-counts\.npy"):
        Cifar10H("cifar10h", Cifar10H.Config(), cifar10h).digest()
