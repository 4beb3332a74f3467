"""Manifests, identifiability, and labels as CSV."""

from __future__ import annotations

import hashlib
import json
import struct
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.noise.base import Corruption, NoiseError, Split
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


def test_many_such_classes_are_one_sentence() -> None:
    split = make_split(30, 3, labels=np.repeat(np.arange(3), [8, 13, 9]))
    warnings = make_manifest(make("none"), {}, split, Corruption(split.labels)).warnings
    told = "class 0 has 8 correctly labeled samples of 8 in train, fewer than 10 (2 classes have so few)"
    assert warnings == [told]


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


def make_parts(labels: list[int], name: str = "train", original: list[Any] | None = None) -> Split:
    order = None if original is None else np.array(original)
    return Split(name, np.array(labels), 3, "shapes", "md5:a", original=order)


def test_exported_labels_read_back_in_any_line_order(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    train, val = make_parts([0, 1, 2, 1]), make_parts([2, 0], "val")
    noisy, other = Corruption(np.array([0, 2, 2, 0])), Corruption(np.array([2, 1]), selection=np.array([1]))
    export_csv(file, [(train, noisy), (val, other)])
    assert file.read_text().splitlines() == [
        "split,index,clean,noisy", "train,0,0,0", "train,1,1,2", "train,2,2,2", "train,3,1,0", "val,0,2,", "val,1,0,1",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    read = read_csv(file, train)
    assert read is not None
    assert read.labels.tolist() == [0, 2, 2, 0]
    assert read.labels.dtype == np.int64
    assert read.selection is None
    left_out = read_csv(file, val)
    assert left_out is not None
    assert left_out.selection is not None
    assert (left_out.labels[1], left_out.selection.tolist()) == (1, [1])


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_labels_in_the_sources_own_order_find_their_samples(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 12))
    own: list[Any] = data.draw(st.sampled_from([list(range(n)), [f"B/{k}, old.png" for k in range(n)]]))
    order: list[Any] = data.draw(st.permutations(own))
    cut = data.draw(st.integers(1, n - 1))
    labels = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    noisy = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    parts = [make_parts(labels[:cut], "train", order[:cut]), make_parts(labels[cut:], "val", order[cut:])]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "labels.csv"
        export_csv(file, [(parts[0], Corruption(noisy[:cut])), (parts[1], Corruption(noisy[cut:]))], "original")
        table = pd.read_csv(file)
        table.drop(columns="split").sample(frac=1, random_state=0).to_csv(file, index=False)
        read = [read_csv(file, part) for part in parts]
    assert [r.labels.tolist() for r in read if r] == [noisy[:cut].tolist(), noisy[cut:].tolist()]


def test_a_source_without_an_order_of_its_own_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoiseError, match="no order of its own.*--index split"):
        export_csv(tmp_path / "labels.csv", [(make_parts([0, 1]), Corruption(np.array([0, 1])))], "original")


def test_a_file_without_validation_labels_says_so_by_none(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("\ufeffindex,clean,noisy\n0,0,1\n1,1,1\n", encoding="utf-8")
    assert read_csv(file, make_parts([0, 1])) is not None
    assert read_csv(file, make_parts([0, 1], "val")) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("0,0,0\n", "has the columns 0,0,0; expected split,index,clean,noisy"),
        ("index,clean,noisy\n", "index 0 of train comes 0 times among 0 lines"),
        ("index,clean,noisy\n0,0,0\n", "index 1 of train comes 0 times"),
        ("index,clean,noisy\n0,0,0\n0,0,0\n", "index 0 of train comes 2 times"),
        ("index,clean,noisy\n0,0,0\n2,0,0\n", "index 2 does not fit the 2 samples"),
        ("index,clean,noisy\n0,0,0\n-1,0,0\n", "index -1 does not fit"),
        ("index,clean,noisy\n0,0,0\n1,0,3\n", "noisy labels go from 0 to 3"),
        ("index,clean,noisy\n0,-1,0\n1,0,0\n", "clean labels go from -1"),
        ("index,clean,noisy\n0,0,0\n1,0,0\n", "gives sample 1 of train the clean label 0, 'shapes' has 1"),
        ("index,clean\n0,0\n1,0\n", "has the columns index,clean; expected"),
        ("index,clean,noisy\n0,0,-2\n1,1,0\n", "noisy labels go from -2"),
        ("index,clean,noisy\n0,0,NA\n1,1,0\n", "line 2: noisy is 'NA'; expected whole numbers"),
        ("index,clean,noisy\n0,0,nan\n1,1,0\n", "line 2: noisy is 'nan'"),
        ("index,clean,noisy\n0,0,\n1,1,-1\n", "every image of 'shapes' .train. is without such a label"),
        ("index,clean,noisy\n0,0,x\n1,0,0\n", "line 2: noisy is 'x'; expected whole numbers"),
        ("index,clean,noisy\n0,0,1.5\n1,0,0\n", "line 2: noisy is '1.5'"),
        ("index,clean,noisy\n0,0,0\n1\n", "line 3: clean is nan"),
        ("split,index,clean,noisy\ntrain,0,0,0\nvalid,1,0,0\n", "split is 'valid' in some line"),
        ("index,original,clean,noisy\n0,0,0,0\n", "has the columns index,original"),
        ("index,clean,noisy\n0,0,99999999999999999999\n1,1,0\n", "noisy is out of range"),
    ],
)
def test_labels_that_do_not_fit_the_training_set_are_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(NoiseError, match=message):
        read_csv(file, make_parts([0, 1]))


@pytest.mark.parametrize("nothing", ["", "-1", " "])
def test_samples_without_a_noisy_label_are_left_out_and_counted(nothing: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"index,clean,noisy\n0,0,{nothing}\n1,1,2\n2,1,1\n")
    read = read_csv(file, make_parts([0, 1, 1]))
    assert read is not None
    assert read.selection is not None
    assert read.selection.tolist() == [1, 2]
    assert read.notes == ("1 of 3 images of train have no label (-1) and are left out",)


def test_a_missing_or_binary_label_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoiseError, match="cannot be read"):
        read_csv(tmp_path / "absent.csv", make_parts([0, 1]))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(NoiseError, match="cannot be read"):
        read_csv(tmp_path / "binary.csv", make_parts([0, 1]))
