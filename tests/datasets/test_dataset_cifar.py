"""CIFAR in torchvision's layout, written by the tests, and its human labels."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import datasets

from benchmark.datasets import cifar
from benchmark.datasets.base import DataError, DataWarning
from benchmark.datasets.cifar import Cifar

N = 20


def write(path, content) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture(params=["cifar10", "cifar100"])
def fake(request, tmp_path, monkeypatch):
    """A small CIFAR with the checksums that torchvision is told to expect."""
    rng = np.random.default_rng(0)
    source = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[request.param]
    classes = 10 if request.param == "cifar10" else 100
    folder = tmp_path / source.base_folder
    for kind in ("train_list", "test_list"):
        sums = []
        for name, _ in getattr(source, kind):
            labels = [int(k) for k in rng.integers(0, classes, N)]
            batch: dict[str, Any] = {"data": rng.integers(0, 256, (N, 3072), dtype=np.uint8)}
            batch |= {"labels" if classes == 10 else "fine_labels": labels}
            sums.append([name, write(folder / name, batch)])
        monkeypatch.setattr(source, kind, sums)
    names = {source.meta["key"]: [f"class {k}" for k in range(classes)]}
    md5 = write(folder / source.meta["filename"], names)
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": md5})
    return Cifar(request.param, Cifar.Config(), tmp_path)


def human(dataset, **changes) -> dict[str, np.ndarray]:
    clean = dataset.load().train.labels
    keys = ["noisy_label"] if dataset.name == "cifar100" else [*cifar.HUMAN_NAMES][:5]
    noisy = {key: (clean + 1 + i) % 10 for i, key in enumerate(keys)}
    return {"clean_label": clean, **noisy, **changes}


def test_torchvision_layout_loads_without_a_validation_split(fake):
    data = fake.load()
    assert data.train.images.shape == (N * len(fake._source.train_list), 32, 32, 3)
    assert data.val is None
    assert data.num_classes == len(data.classes) == (10 if fake.name == "cifar10" else 100)
    assert data.train.given == {}


@pytest.mark.filterwarnings("ignore::benchmark.datasets.base.DataWarning")
def test_human_labels_are_given_by_their_names(fake):
    table = human(fake)
    torch.save(table, fake.human_path)
    given = fake.load().train.given
    expected = {"aggre", "worse", "random_1", "random_2", "random_3"}
    assert set(given) == (expected if fake.name == "cifar10" else {"noisy_label"})
    for key, name in cifar.HUMAN_NAMES.items():
        if key in table:
            assert np.array_equal(given[name], table[key])


def test_human_labels_of_another_order_are_refused(fake):
    clean = fake.load().train.labels
    torch.save(human(fake, clean_label=clean[::-1].copy()), fake.human_path)
    with pytest.raises(DataError, match="in another order"):
        fake.load()


def test_human_file_is_never_unpickled_as_code(fake, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"clean_label": Bomb()}, fake.human_path)
    with pytest.raises(DataError, match="damaged or holds more"):
        fake.load()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_damaged_human_file_is_refused(fake, content):
    fake.human_path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        fake.load()


def test_human_labels_out_of_range_or_of_wrong_length_are_refused(fake):
    table = human(fake)
    clean = table["clean_label"]
    key = "noisy_label" if fake.name == "cifar100" else "worse_label"
    for value, word in (
        (clean + 100, "expected 0"),
        (clean[:-1], "integers"),
        (clean * 0.5, "more than label arrays"),
    ):
        torch.save({**table, key: value}, fake.human_path)
        with pytest.raises(DataError, match=word):
            fake.load()


def test_foreign_human_file_changes_the_digest_with_a_warning(fake):
    plain = fake.digest()
    torch.save(human(fake), fake.human_path)
    with pytest.warns(DataWarning, match="not the official file"):
        changed = Cifar(fake.name, fake.cfg, fake.root).digest()
    assert changed.startswith(plain)
    assert changed != plain


def test_official_human_file_keeps_the_digest(fake, monkeypatch):
    plain = fake.digest()
    torch.save(human(fake), fake.human_path)
    own = "sha256:" + hashlib.sha256(fake.human_path.read_bytes()).hexdigest()
    monkeypatch.setitem(cifar.OFFICIAL_HUMAN, fake.name, own)
    assert Cifar(fake.name, fake.cfg, fake.root).digest() == plain


def test_damaged_batch_is_refused_before_it_is_unpickled(fake):
    name = fake._source.train_list[0][0]
    path = fake.root / fake._source.base_folder / name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="incomplete or damaged"):
        fake.load()


def test_absent_data_name_the_manual_way(tmp_path):
    with pytest.raises(DataError) as caught:
        Cifar("cifar10", Cifar.Config(), tmp_path).load()
    assert str(tmp_path / "cifar-10-python.tar.gz") in str(caught.value)
    assert "https://www.cs.toronto.edu" in str(caught.value)


def test_archive_put_there_by_hand_is_unpacked(fake, tmp_path, monkeypatch):
    source = fake._source
    archive = tmp_path / "other" / source.filename
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / source.base_folder, source.base_folder)
    monkeypatch.setattr(source, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    dataset = Cifar(fake.name, fake.cfg, archive.parent)
    dataset.fetch()
    assert np.array_equal(dataset.load().train.images, fake.load().train.images)
    assert {path.name for path in archive.parent.iterdir()} == {source.filename, source.base_folder}


def test_cut_off_archive_is_never_half_unpacked(fake, tmp_path, monkeypatch):
    source = fake._source
    root = tmp_path / "other"
    root.mkdir()
    archive = root / source.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / source.base_folder, source.base_folder)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    monkeypatch.setattr(source, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    with pytest.raises(DataError, match="cannot unpack"):
        Cifar(fake.name, fake.cfg, root).fetch()
    assert [path.name for path in root.iterdir()] == [source.filename]
