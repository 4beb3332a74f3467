"""Manifests, identifiability, and labels as CSV."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmark.noise.base import Corruption, NoiseError
from benchmark.noise.class_conditional import symmetric
from benchmark.noise.files import export_csv, read_csv
from benchmark.noise.manifest import check_identifiable, empirical_transition, labels_sha256, make_manifest
from tests.noise.noise_cases import make, make_split


def test_a_manifest_states_the_realized_rates_and_survives_json() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    split = make_split(6, 3, labels=labels)
    made = Corruption(np.array([0, 1, 0, 2, 1, 1]))
    manifest = make_manifest(make("pair", rate=0.3), {"rate": 0.3}, split, made)
    assert (manifest.kind, manifest.version, manifest.config) == ("pair", 1, {"rate": 0.3})
    assert manifest.num_samples == 6
    assert manifest.class_counts == [4, 2, 0]
    assert manifest.realized_rate == pytest.approx(1 / 3)
    assert manifest.realized_rate_per_class == [0.5, 0.0, None]
    assert manifest.transition == [[0.5, 0.25, 0.25], [0, 1, 0], [0, 0, 1]]
    assert manifest.transition_source == "empirical"
    assert json.loads(json.dumps(asdict(manifest))) == asdict(manifest)


def test_a_manifest_holds_the_generators_own_transition() -> None:
    split = make_split()
    kind = make("symmetric", rate=0.2)
    manifest = make_manifest(kind, {}, split, kind.corrupt(split, 0))
    assert manifest.transition_source == "generator"
    np.testing.assert_array_equal(manifest.transition, symmetric(9, 0.2))
    assert manifest.warnings == []


def test_the_digest_is_that_of_little_endian_int64() -> None:
    labels = np.array([3, 0, 258])
    expected = hashlib.sha256(struct.pack("<3q", 3, 0, 258)).hexdigest()
    for kind in (np.int64, np.int32, np.dtype(">i8"), np.uint16):
        assert labels_sha256(labels.astype(kind)) == expected
    assert labels_sha256(np.repeat(labels, 2)[::2]) == expected


def test_a_manifest_of_unknown_truth_claims_nothing_about_it() -> None:
    split = make_split(5)
    kind = make("as_is")
    manifest = make_manifest(kind, {}, split, kind.corrupt(split, 0))
    assert manifest.realized_rate is None
    assert manifest.realized_rate_per_class is None
    assert manifest.transition is None
    assert manifest.transition_source == "unknown"


def test_a_class_with_few_correct_labels_left_is_warned_of() -> None:
    split = make_split(112, 3, labels=np.repeat(np.arange(3), [50, 50, 12]))
    noisy = split.labels.copy()
    noisy[-3:] = 0
    warnings = make_manifest(make("none"), {}, split, Corruption(noisy)).warnings
    assert warnings == ["class 2 has 9 correctly labeled samples of 12 in train, fewer than 10"]


def test_a_manifest_of_a_long_tail_counts_the_kept_samples_only() -> None:
    split = make_split(3000, 3, labels=np.repeat(np.arange(3), 1000))
    kind = make("long_tail", rho=100, noise="pair:0.2")
    made = kind.corrupt(split, 0)
    manifest = make_manifest(kind, {}, split, made)
    assert manifest.class_counts == [1000, 100, 10]
    assert manifest.num_samples == 1110
    assert manifest.labels_sha256 == labels_sha256(made.labels[made.selection])
    assert manifest.realized_rate == (made.labels != split.labels)[made.selection].mean()


@pytest.mark.parametrize(("rate", "classes"), [(0.9, 9), (0.9, 10), (0.5, 2), (2 / 3, 3)])
def test_noise_that_nobody_can_undo_is_refused_unless_allowed(rate: float, classes: int) -> None:
    split = make_split(2000, classes)
    kind = make("symmetric", rate=rate)
    made = kind.corrupt(split, 0)
    with pytest.raises(NoiseError, match="allow_unidentifiable"):
        make_manifest(kind, {}, split, made)
    allowed = make_manifest(kind, {}, split, made, allow_unidentifiable=True)
    assert any("not identifiable" in warning for warning in allowed.warnings)


@pytest.mark.parametrize("rate", [0.6, 0.8, 0.88])
def test_heavy_but_identifiable_noise_is_allowed(rate: float) -> None:
    assert check_identifiable(symmetric(9, rate)) == []


def test_pair_noise_from_one_half_on_is_refused() -> None:
    split = make_split()
    kind = make("pair", rate=0.5)
    with pytest.raises(NoiseError, match=r"class 0 keeps its label .* 0\.5 and becomes class 1"):
        make_manifest(kind, {}, split, kind.corrupt(split, 0))


def test_the_empirical_transition_is_stochastic_for_empty_classes_too() -> None:
    np.testing.assert_array_equal(empirical_transition(np.array([[3, 1], [0, 0]])), [[0.75, 0.25], [0, 1]])


def test_exported_labels_read_back_in_any_line_order(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    clean, noisy = np.array([0, 1, 2, 1]), np.array([0, 2, 2, 0])
    export_csv(file, clean, noisy)
    assert file.read_text() == "index,clean,noisy\n0,0,0\n1,1,2\n2,2,2\n3,1,0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    for ours, theirs in zip(read_csv(file, 4, 3), (clean, noisy), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == np.int64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with ''"),
        ("0,0,0\n", "expected the line 'index,clean,noisy'"),
        ("index,clean,noisy\n", "index 0 comes 0 times among 0 lines"),
        ("index,clean,noisy\n0,0,0\n", "index 1 comes 0 times"),
        ("index,clean,noisy\n0,0,0\n0,0,0\n", "index 0 comes 2 times"),
        ("index,clean,noisy\n0,0,0\n2,0,0\n", "index 2 does not fit a training set of 2 samples"),
        ("index,clean,noisy\n0,0,0\n-1,0,0\n", "index -1 does not fit"),
        ("index,clean,noisy\n0,0,0\n1,0,3\n", "noisy labels go from 0 to 3"),
        ("index,clean,noisy\n0,-1,0\n1,0,0\n", "clean labels go from -1"),
        ("index,clean,noisy\n0,0\n1,0\n", "2 columns"),
        ("index,clean,noisy\n0,0,x\n1,0,0\n", "cannot be read"),
        ("index,clean,noisy\n0,0,1.5\n1,0,0\n", "cannot be read"),
        ("index,clean,noisy\n0,0,0\n1,0\n", "cannot be read"),
    ],
)
def test_labels_that_do_not_fit_the_training_set_are_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(NoiseError, match=message):
        read_csv(file, 2, 3)


def test_a_missing_or_binary_label_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoiseError, match="cannot be read"):
        read_csv(tmp_path / "absent.csv", 2, 3)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(NoiseError, match="cannot be read"):
        read_csv(tmp_path / "binary.csv", 2, 3)
