"""What single kinds promise."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits

from benchmark.noise.base import NoiseError, Split
from benchmark.noise.class_conditional import stored_map
from benchmark.noise.instance import calibrated_flips
from benchmark.noise.long_tail import LongTail
from benchmark.noise.manifest import count
from tests.noise.noise_cases import make, make_split

ROOT = Path(__file__).resolve().parents[2]


def digits_split() -> Split:
    data = load_digits()
    images = (data.images * 15.9375).astype(np.uint8)[..., None]
    return Split("train", data.target.astype(np.int64), 10, "digits", "digits", images, registered="digits")


def pbc_split() -> Split:
    path = Path(os.environ.get("NOISYBENCH_DATA", ROOT / "../shared/data")) / "pbc_28.npz"
    if not path.is_file():
        pytest.skip(f"{path} is absent: set NOISYBENCH_DATA to the folder of the real data")
    with np.load(path) as data:
        labels = data["train_labels"].squeeze(1).astype(np.int64)
        return Split("train", labels, 8, "pbc", "pbc", data["train_images"])


def test_pair_noise_flips_only_to_the_next_class() -> None:
    split = make_split()
    noisy = make("pair", rate=0.45).corrupt(split, 0).labels
    wrong = noisy != split.labels
    np.testing.assert_array_equal(noisy[wrong], (split.labels[wrong] + 1) % 9)


def test_stored_maps_name_valid_classes_and_follow_their_source() -> None:
    for name in ("cifar10", "cifar100", "cifar100_blocks", "dermamnist", "digits"):
        classes, pairs = stored_map(name)
        sources = [source for source, _ in pairs]
        assert len(set(sources)) == len(sources)
        assert all(0 <= i < classes and 0 <= j < classes and i != j for i, j in pairs)
    assert set(stored_map("cifar10")[1]) == {(9, 1), (2, 0), (3, 5), (5, 3), (4, 7)}


def test_the_derma_map_follows_the_class_order_of_medmnist() -> None:
    info = pytest.importorskip("medmnist").INFO["dermamnist"]["label"]
    short = {"nevi": "NV", "melanoma": "MEL", "basal": "BCC", "benign": "BKL", "vascular": "VASC"}
    short |= {"dermatofibroma": "DF", "actinic": "AKIEC"}
    names = {int(k): next(s for word, s in short.items() if word in text) for k, text in info.items()}
    pairs = {(names[i], names[j]) for i, j in stored_map("dermamnist")[1]}
    assert pairs == {
        ("NV", "MEL"),
        ("MEL", "NV"),
        ("BCC", "BKL"),
        ("BKL", "BCC"),
        ("VASC", "DF"),
        ("AKIEC", "DF"),
    }


def test_the_cifar100_map_stays_within_superclasses() -> None:
    # Apple, mushroom, orange, pear, sweet pepper: fruit and vegetables; maple to willow: trees.
    targets = dict(stored_map("cifar100")[1])
    assert [targets[i] for i in (0, 51, 53, 57, 83)] == [51, 53, 57, 83, 0]
    assert [targets[i] for i in (47, 52, 56, 59, 96)] == [52, 56, 59, 96, 47]
    assert sorted(targets) == sorted(targets.values()) == list(range(100))


def test_the_name_of_a_file_chooses_no_class_map() -> None:
    """It is not part of a run's identity: the numbers of a run must not depend on it."""
    kind = make("asymmetric", rate=0.4)
    named_like_one = make_split(num_classes=10, dataset="digits")
    assert kind.requires_clean_classifier(named_like_one)
    assert not kind.requires_clean_classifier(make_split(num_classes=10, dataset="mine", registered="digits"))
    other = make_split(num_classes=10, dataset="mine")
    np.testing.assert_array_equal(kind.corrupt(named_like_one, 0).labels, kind.corrupt(other, 0).labels)


def test_asymmetric_noise_uses_the_data_sets_own_map() -> None:
    split = make_split(num_classes=10, registered="digits")
    joint = count(split.labels, make("asymmetric", rate=0.4).corrupt(split, 0).labels, 10)
    np.fill_diagonal(joint, 0)
    assert set(zip(*map(list, joint.nonzero()), strict=True)) == set(stored_map("digits")[1])


def test_a_map_by_name_or_pairs_replaces_the_data_sets_own() -> None:
    split = make_split(num_classes=10, registered="digits")
    by_name = make("asymmetric", rate=0.4, map="cifar10").corrupt(split, 0)
    by_pairs = make("asymmetric", rate=0.4, map=[list(p) for p in stored_map("cifar10")[1]]).corrupt(split, 0)
    np.testing.assert_array_equal(by_name.labels, by_pairs.labels)
    assert by_name.transition[9, 1] == 0.4


def test_a_computed_map_takes_the_likeliest_confusion_and_holds_for_all_parts() -> None:
    split = make_split(6, 3, labels=np.array([0, 0, 1, 1, 2, 2]))
    rows = [[0.6, 0.1, 0.3], [0.1, 0.5, 0.4]]  # class 0: more often taken for 2 than for 1
    rows += [[0.4, 0.5, 0.1], [0.2, 0.7, 0.1]]
    rows += [[0.0, 0.2, 0.8], [0.1, 0.0, 0.9]]
    train = make_split(6, 3, labels=split.labels, probabilities=np.array(rows))
    kind = make("asymmetric", rate=0.3)
    assert kind.requires_clean_classifier(train)
    assert kind.skip(train) is None
    resolved = kind.resolve(train)
    assert resolved.cfg.map == ((0, 2), (1, 0), (2, 1))
    val = make_split(6, 3, name="val", probabilities=None)
    np.testing.assert_array_equal(resolved.corrupt(val, 0).transition, kind.corrupt(train, 0).transition)
    with pytest.raises(NoiseError, match="training split"):
        kind.corrupt(make_split(6, 3, name="val"), 0)


def test_asymmetric_noise_without_any_map_says_what_to_give() -> None:
    reason = make("asymmetric", rate=0.3).skip(make_split(probabilities=None))
    assert reason is not None
    assert "map = [[0, 1]" in reason


@pytest.mark.parametrize("bad", [[], [[0, 0]], [[0, 1], [0, 2]], [[-1, 0]], [[0, 1, 2]], "unknown"])
def test_a_map_that_is_none_is_refused(bad: Any) -> None:
    with pytest.raises(ValidationError, match="map"):
        make("asymmetric", rate=0.3, map=bad)


def test_a_map_for_other_classes_is_refused() -> None:
    with pytest.raises(NoiseError, match="0 to 8"):
        make("asymmetric", rate=0.3, map=[[0, 9]]).corrupt(make_split(), 0)
    with pytest.raises(NoiseError, match="100 classes"):
        make("asymmetric", rate=0.3, map="cifar100").corrupt(make_split(), 0)


MATRIX = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.3, 0.1, 0.6]])


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".json"])
def test_a_transition_file_of_any_format_gives_the_same_labels(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"t{suffix}"
    if suffix == ".npy":
        np.save(file, MATRIX)
    elif suffix == ".csv":
        np.savetxt(file, MATRIX, delimiter=",")
    else:
        file.write_text(json.dumps(MATRIX.tolist()))
    split = make_split(20_000, 3)
    made = make("transition", file=file).corrupt(split, 0)
    np.testing.assert_allclose(made.transition, MATRIX, atol=1e-15)
    joint = count(split.labels, made.labels, 3)
    np.testing.assert_allclose(joint / joint.sum(1, keepdims=True), MATRIX, atol=0.02)
    assert joint[1, 0] == joint[1, 2] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.5,0.5\n0.5,0.4", "row 1 .*sums to 0.9"),
        ("0.9,0.3\n0.1,0.7", "transpose"),
        ("1.5,-0.5\n0,1", "negative"),
        ("nan,1\n0,1", "non-finite"),
        ("0.5,0.5", "shape"),
        ("a,b\nc,d", "matrix of numbers"),
        ("0.5,0.5\n1", "rows of unequal length"),
    ],
)
def test_a_transition_file_that_is_no_transition_is_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(ValidationError, match=message):
        make("transition", file=file)


def test_a_transition_of_the_wrong_size_or_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.npy"
    np.save(file, MATRIX)
    with pytest.raises(NoiseError, match="3 classes"):
        make("transition", file=file).corrupt(make_split(), 0)
    with pytest.raises(ValidationError, match="file"):
        make("transition", file=tmp_path / "absent.npy")
    np.save(file, np.array([{}], dtype=object))
    with pytest.raises(ValidationError, match="matrix of numbers"):
        make("transition", file=file)
    np.save(file, MATRIX + 1j)
    with pytest.raises(ValidationError, match="complex numbers"):
        make("transition", file=file)
    file.write_bytes(b"\x93NUMPY\x01\x00v\x00" + b"(" * 118)  # its header is Python source
    with pytest.raises(ValidationError, match="matrix of numbers"):
        make("transition", file=file)
    (tmp_path / "ragged.json").write_text("[[0.5, 0.5], [1]]")
    with pytest.raises(ValidationError, match="rows of unequal length"):
        make("transition", file=tmp_path / "ragged.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(ValidationError, match="nested too deeply"):
        make("transition", file=tmp_path / "deep.json")
    (tmp_path / "t.txt").write_text("1")
    with pytest.raises(ValidationError, match="json"):
        make("transition", file=tmp_path / "t.txt")


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.4, 0.6])
@pytest.mark.parametrize("load", [digits_split, pbc_split])
def test_instance_noise_meets_its_rate_on_real_images(load: Any, rate: float) -> None:
    from scipy import stats

    split = load()
    n = len(split.labels)
    kind = make("instance", rate=rate)
    assert abs(kind._flip_probabilities(split, 3).mean() - rate) < 0.005
    wrong = (kind.corrupt(split, 3).labels != split.labels).sum()
    low, high = stats.binom.ppf([1e-5, 1 - 1e-5], n, rate)
    assert low <= wrong <= high


@pytest.mark.parametrize(("rate", "overshot"), [(0.05, 0.101), (0.1, 0.129), (0.2, 0.206), (0.9, 0.871)])
def test_official_instance_noise_reproduces_the_known_overshoot(rate: float, overshot: float) -> None:
    split = make_split(40_000)
    kind = make("instance", rate=rate, official=True)
    assert kind._flip_probabilities(split, 0).mean() == pytest.approx(overshot, abs=0.003)
    assert (kind.corrupt(split, 0).labels != split.labels).mean() == pytest.approx(overshot, abs=0.01)


@pytest.mark.parametrize("rate", [1e-30, 1e-7, 1e-4, 0.01, 0.3, 0.5, 0.7, 0.99, 0.9999])
def test_calibration_is_exact_at_every_rate_and_sample_size(rate: float) -> None:
    for n in (1, 7, 3000):
        quantiles = np.random.default_rng(n).random(n)
        assert calibrated_flips(quantiles, rate).mean() == pytest.approx(rate, rel=1e-3, abs=1e-8)


def test_instance_noise_shares_its_weights_between_parts() -> None:
    """One image and label lead to one class preference in both parts: with the same W."""
    image = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 1), dtype=np.uint8)
    images = np.repeat(image, 4000, axis=0)
    labels = np.zeros(4000, dtype=np.int64)
    shares = []
    for name in ("train", "val"):
        split = make_split(4000, 5, labels=labels, images=images, name=name)
        shares.append(np.bincount(make("instance", rate=0.5).corrupt(split, 0).labels, minlength=5) / 4000)
    np.testing.assert_allclose(shares[0], shares[1], atol=0.05)


def test_instance_noise_depends_on_the_image() -> None:
    """Two groups of one class with different images go to different classes in different shares."""
    images = np.zeros((4000, 8, 8, 1), dtype=np.uint8)
    images[:2000, :4], images[2000:, 4:] = 255, 255
    split = make_split(4000, 6, labels=np.zeros(4000, dtype=np.int64), images=images)
    noisy = make("instance", rate=0.5).corrupt(split, 0).labels
    halves = [np.bincount(noisy[part], minlength=6) / 2000 for part in (slice(2000), slice(2000, None))]
    assert np.abs(halves[0] - halves[1]).max() > 0.1


def test_instance_noise_without_images_is_skipped() -> None:
    assert "pixels" in (make("instance", rate=0.2).skip(make_split(images=None)) or "")


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_pmd_flips_doubtful_samples_most_and_to_the_likeliest_wrong_class(kind: int) -> None:
    split = make_split(20_000, 4)
    noisy = make("pmd", rate=0.3, type=kind).corrupt(split, 0).labels
    wrong = noisy != split.labels
    assert split.probabilities is not None
    others = split.probabilities.copy()
    others[np.arange(20_000), split.labels] = -1
    np.testing.assert_array_equal(noisy[wrong], others.argmax(1)[wrong])
    top = np.sort(split.probabilities, 1)
    margin = top[:, -1] - top[:, -2]
    assert wrong[margin < 0.2].mean() > 2 * wrong[margin > 0.9].mean()


def test_pmd_refuses_a_rate_that_the_margins_cannot_give() -> None:
    split = make_split(100, 3, probabilities=np.tile([1.0, 0.0, 0.0], (100, 1)))
    with pytest.raises(NoiseError, match=r"expected 0\.3"):
        make("pmd", rate=0.3).corrupt(split, 0)
    made = make("pmd", rate=0.3, official=True).corrupt(split, 0)
    assert (made.labels != split.labels).mean() == pytest.approx(0.3, abs=0.15)


def test_confusion_noise_follows_the_reference_probabilities() -> None:
    n = 30_000
    probabilities = np.tile([0.5, 0.3, 0.15, 0.05], (n, 1))
    split = make_split(n, 4, labels=np.zeros(n, dtype=np.int64), probabilities=probabilities)
    noisy = make("confusion", rate=0.5).corrupt(split, 0).labels
    np.testing.assert_allclose(np.bincount(noisy) / n, [0.5, 0.3, 0.15, 0.05], atol=0.01)
    assert make("confusion", rate=0.5).skip(make_split(10, 2)) is not None


@pytest.mark.parametrize("name", ["pmd", "confusion"])
@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (None, "without probabilities"),
        (np.full((5, 9), 1 / 9), "shape"),
        (np.full((20, 9), np.nan), "non-finite"),
        (np.full((20, 9), 0.5), "sum to 1"),
    ],
)
def test_bad_reference_probabilities_are_refused(name: str, probabilities: Any, message: str) -> None:
    with pytest.raises(NoiseError, match=message):
        make(name, rate=0.3).corrupt(make_split(20, probabilities=probabilities), 0)


@pytest.mark.parametrize("name", ["pmd", "confusion"])
def test_kinds_that_need_a_reference_classifier_say_so(name: str) -> None:
    split = make_split(probabilities=None)
    kind = make(name, rate=0.3)
    assert kind.requires_clean_classifier(split)
    assert "clean classifier" in (kind.skip(split) or "")
    assert kind.skip(make_split()) is None


def test_given_labels_are_returned_as_they_are() -> None:
    split = make_split(50)
    worse = (split.labels + 1) % 9
    split = make_split(50, given={"worse": worse.astype(np.uint8)})
    for name in ("given", "human"):
        made = make(name, labels="worse").corrupt(split, 7)
        np.testing.assert_array_equal(made.labels, worse)
        assert made.transition is None
        assert made.labels.dtype == np.int64


def test_given_labels_that_are_missing_are_skipped_with_those_that_exist() -> None:
    split = make_split(5, given={"aggre": np.zeros(5, dtype=np.int64)})
    for name in ("given", "human"):
        reason = make(name, labels="worse").skip(split)
        assert reason is not None
        assert "it has aggre" in reason
    with pytest.raises(ValidationError, match="aggre"):
        make("human", labels="typo")


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("given", {"labels": "worse"}, "train_labels_NAME of an npz file"),
        ("raters", {"labels": "majority"}, "a table whose columns of readers are named"),
        ("raters", {"labels": "majority", "source": "counts"}, "train_counts"),
    ],
)
def test_what_a_data_set_lacks_is_said_with_what_would_hold_it(kind: str, options: Any, expected: str) -> None:
    assert expected in (make(kind, **options).skip(make_split(5)) or "")


def test_labels_that_no_image_has_are_refused_with_those_that_are_expected() -> None:
    none = make_split(5, given={"worse": np.full(5, -1)})
    with pytest.raises(NoiseError, match="expected labels from 0 to 8: give some in the data, or name other labels"):
        make("given", labels="worse").corrupt(none, 0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(np.zeros(4, dtype=np.int64), "expected"), (np.zeros(5), "float64"), (np.full(5, 9), "0 to 8")],
)
def test_given_labels_that_do_not_fit_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(NoiseError, match=message):
        make("given", labels="worse").corrupt(make_split(5, given={"worse": labels}), 0)


def test_real_human_labels_have_the_published_rates() -> None:
    path = Path(os.environ.get("NOISYBENCH_DATA", ROOT / "../shared/data")) / "cifar10n_10k.npz"
    if not path.is_file():
        pytest.skip(f"{path} is absent: set NOISYBENCH_DATA to the folder of the real data")
    names = {"aggre": 0.09, "worse": 0.41, "random_1": 0.18, "random_2": 0.18, "random_3": 0.18}
    with np.load(path) as data:
        labels = data["train_labels"].squeeze(1).astype(np.int64)
        given = {name: data[f"train_labels_{name}"].squeeze().astype(np.int64) for name in names}
    split = Split("train", labels, 10, "cifar10n_10k", "cifar10n", given=given)
    for name, rate in names.items():
        noisy = make("human", labels=name).corrupt(split, 0).labels
        assert (noisy != labels).mean() == pytest.approx(rate, abs=0.01)


def test_as_is_returns_the_labels_and_claims_no_truth() -> None:
    split = make_split(20)
    kind = make("as_is")
    made = kind.corrupt(split, 0)
    assert not kind.truth_known
    assert made.transition is None
    np.testing.assert_array_equal(made.labels, split.labels)


def long_tail(rho: float, noise: Any = "none") -> LongTail:
    kind = make("long_tail", rho=rho, noise=noise)
    assert isinstance(kind, LongTail)
    return kind


def test_long_tail_thins_classes_geometrically_and_keeps_the_noise_of_its_inner_kind() -> None:
    split = make_split(5000, 5, labels=np.repeat(np.arange(5), 1000))
    made = long_tail(16, {"name": "symmetric", "rate": 0.4}).corrupt(split, 2)
    assert made.selection is not None
    assert np.bincount(split.labels[made.selection]).tolist() == [1000, 500, 250, 125, 62]
    assert (np.diff(made.selection) > 0).all()
    np.testing.assert_array_equal(made.labels, make("symmetric", rate=0.4).corrupt(split, 2).labels)
    milder, unchanged = (long_tail(ratio).corrupt(split, 2).selection for ratio in (4, 1))
    assert milder is not None
    assert unchanged is not None
    assert set(made.selection) < set(milder)
    assert len(unchanged) == 5000


def test_long_tail_never_empties_a_class_that_has_samples() -> None:
    split = make_split(60, 3, labels=np.repeat(np.arange(3), 20))
    assert np.bincount(split.labels[long_tail(1e6).corrupt(split, 0).selection])[2] == 1


def test_long_tail_reads_its_inner_kind_in_every_form_and_round_trips() -> None:
    short = long_tail(10, "pair:0.3").cfg
    assert short == long_tail(10, {"name": "pair", "rate": 0.3}).cfg
    assert short.model_dump()["noise"] == {"name": "pair", "version": 1, "config": {"rate": 0.3}}
    assert type(short).model_validate(json.loads(short.model_dump_json())) == short
    assert long_tail(10).cfg.noise.name == "none"


def test_long_tail_passes_on_what_its_inner_kind_needs(tmp_path: Path) -> None:
    bare = make_split(probabilities=None, images=None)
    assert long_tail(10, {"name": "instance", "rate": 0.2}).skip(bare) is not None
    assert long_tail(10, "confusion:0.2").requires_clean_classifier(bare)
    assert not long_tail(10, "as_is").truth_known
    resolved: Any = long_tail(10, "asymmetric:0.2").resolve(make_split())
    assert resolved.inner.cfg.map is not None
    file = tmp_path / "t.npy"
    np.save(file, MATRIX)
    config = long_tail(10, {"name": "transition", "file": str(file)}).cfg.model_dump()
    assert isinstance(config["noise"]["config"]["file"], Path)


@pytest.mark.parametrize("bad", ["pair:1.5", {"name": "pair"}, 3, "long_tail:3", {"name": "pair", "rate": 0.1, "x": 1}])
def test_long_tail_refuses_a_bad_inner_kind(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"noise|rate|rho"):
        long_tail(10, bad)
