"""Official files of MedMNIST-C, as their `DatasetManager` writes them: one per corruption, five severities in a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from benchmark.datasets.base import Arrays, DataError
from benchmark.datasets.medmnistc import MedMNISTC


def part(n: int = 12, side: int = 224, channels: int = 3, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    return Arrays(rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8), rng.integers(0, 3, n))


def official(folder: Path, test: Arrays, kind: str) -> np.ndarray:
    """Writes a file and returns the images of every severity [5, n, H, W, C]."""
    copies = np.stack([(test.images // 2 + 10 * severity).astype(np.uint8) for severity in range(5)])
    stored = copies.reshape(-1, *test.images.shape[1:])
    stored = stored[..., 0] if stored.shape[3] == 1 else stored
    folder.mkdir(exist_ok=True)
    labels = np.tile(test.labels, 5)[:, None]
    np.savez_compressed(folder / f"{kind}.npz", test_images=list(stored), test_labels=list(labels))
    return copies


def copier(path: Path, **options: object) -> MedMNISTC:
    return MedMNISTC("medmnistc", MedMNISTC.Config.model_validate({"path": path, **options}))


@pytest.mark.parametrize("channels", [1, 3])
def test_every_severity_of_every_file_is_a_copy_of_the_test_images(tmp_path, channels):
    test = part(channels=channels)
    written = {kind: official(tmp_path / "blood", test, kind) for kind in ("pixelate", "bubble")}
    found = copier(tmp_path / "blood").of(test, "bloodmnist").copies
    assert [(one.kind, one.severity) for one in found] == [(k, s) for k in ("bubble", "pixelate") for s in range(1, 6)]
    for one in found:
        assert np.array_equal(one.images(test.images), written[one.kind][one.severity - 1])
    one_file = copier(tmp_path / "blood" / "bubble.npz").of(test, "bloodmnist").copies
    assert {one.kind for one in one_file} == {"bubble"}
    chosen = copier(tmp_path / "blood", kinds="pixelate").of(test, "bloodmnist").copies
    assert {one.kind for one in chosen} == {"pixelate"}


def test_a_file_of_another_size_or_data_set_is_refused(tmp_path):
    official(tmp_path, part(), "pixelate")
    found = copier(tmp_path)
    with pytest.raises(DataError, match=r"shape \(224, 224, 3\), expected \(28, 28, 3\) as in pbc: the official files"):
        found.of(part(side=28), "pbc")
    with pytest.raises(DataError, match="not made of the 12 test images of dermamnist: it holds 60 images, whose"):
        found.of(part(seed=1), "dermamnist")
    with pytest.raises(DataError, match="not made of the 7 test images"):
        found.of(part(n=7), "dermamnist")


def test_damaged_and_missing_files_are_told(tmp_path):
    path = tmp_path / "pixelate.npz"
    path.write_bytes(b"PK and nothing else")
    with pytest.raises(DataError, match="cannot be read as a file of MedMNIST-C .* copy it again"):
        copier(tmp_path).of(part(), "bloodmnist")
    with pytest.raises(DataError, match=r"holds no file bubble.npz; expected .* found pixelate.npz"):
        copier(tmp_path, kinds="bubble").digest()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no file CORRUPTION.npz; expected .* found none"):
        copier(tmp_path / "empty").digest()
    with pytest.raises(ValidationError, match="does not exist; the official files are at"):
        copier(tmp_path / "absent")


def test_a_file_that_is_cut_off_within_a_severity_is_told(tmp_path):
    test = part()
    np.savez(
        tmp_path / "pixelate.npz",
        test_images=np.zeros((60, 224, 224, 3), np.uint8),
        test_labels=np.tile(test.labels, 5),
    )
    whole = (tmp_path / "pixelate.npz").read_bytes()
    copies = copier(tmp_path).of(test, "bloodmnist").copies
    broken = bytearray(whole)
    broken[1_000_000] ^= 1
    (tmp_path / "pixelate.npz").write_bytes(bytes(broken))
    with pytest.raises(DataError, match="cannot be read as a file of MedMNIST-C"):
        copies[4].images(test.images)


def test_the_digest_is_that_of_the_chosen_files(tmp_path):
    official(tmp_path, part(), "pixelate")
    one = copier(tmp_path).digest()
    official(tmp_path, part(), "bubble")
    assert copier(tmp_path).digest() != one
    assert copier(tmp_path, kinds="pixelate").digest() == one
