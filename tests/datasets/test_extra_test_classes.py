"""Extra test sets: classes are matched by what they are called, whatever their numbers; all their images count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.datasets.base import Arrays, Data, DataError, ExtraTest
from benchmark.datasets.cache import cached_extra_test
from benchmark.datasets.extra_tests import match, with_extra_tests
from benchmark.datasets.npz import Npz
from tests.datasets.test_folder_links import folder, paint

NAMES = ("benign", "in situ", "invasive", "normal")


def arrays(labels: np.ndarray, side: int = 4) -> Arrays:
    """Images whose pixels hold a number of their own, so that images can be followed."""
    numbers = np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    return Arrays(np.broadcast_to(numbers, (len(labels), side, side, 1)).copy(), np.asarray(labels, dtype=np.int64))


def data(classes: tuple[str, ...] = NAMES, *, named: bool = True) -> Data:
    part = arrays(np.arange(2 * len(classes)) % len(classes))
    return Data("ours", len(classes), classes, part, part, named=named)


def theirs(classes: tuple[str, ...], *, named: bool = True, side: int = 4) -> ExtraTest:
    return ExtraTest(classes, named, arrays(np.arange(len(classes)), side))


@given(st.permutations(NAMES), st.integers(1, len(NAMES)))
def test_classes_of_one_name_have_one_label_in_any_order_and_with_classes_absent(order, count):
    matched = match(data(), "other", theirs(tuple(order[:count])))
    assert [NAMES[k] for k in matched.test.labels] == order[:count]
    absent = [name for name in NAMES if name not in order[:count]]
    assert any("no image of class" in note for note in matched.notes) == bool(absent)
    assert all(name in matched.notes[-1] for name in absent)


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=6, unique=True))
def test_an_unknown_class_is_refused_with_both_lists(classes):
    known = {"".join(name.split()).casefold() for name in NAMES}
    unknown = [name for name in classes if "".join(name.split()).casefold() not in known]
    if not unknown:
        return
    with pytest.raises(DataError) as caught:
        match(data(), "other", theirs(tuple(classes)))
    assert all(repr(name) in str(caught.value) for name in NAMES)
    assert "rename or remove" in str(caught.value)


@given(
    st.sampled_from(NAMES), st.sampled_from([str.upper, str.title, lambda s: f" {s} ", lambda s: s.replace(" ", "")])
)
def test_other_case_and_white_space_are_matched_and_told(name, spelled):
    matched = match(data(), "other", theirs((spelled(name),)))
    assert matched.test.labels.tolist() == [NAMES.index(name)]
    assert ("other case or white space" in matched.notes[0]) == (spelled(name) != name)


def test_an_accent_that_is_spelled_in_two_ways_is_one_class():
    composed, decomposed = "m\u00e9lanome", "me\u0301lanome"
    assert match(data((composed, "x")), "other", theirs((decomposed,))).test.labels.tolist() == [0]


def test_two_classes_that_could_be_one_are_refused():
    with pytest.raises(DataError, match="several classes that could be 'benign'"):
        match(data(), "other", theirs(("Benign", "benign")))
    with pytest.raises(DataError, match="'BENIGN', which ours does not have"):
        match(data(("Benign", "benign")), "other", theirs(("BENIGN",)))


@pytest.mark.parametrize(("ours", "other"), [(True, False), (False, True), (False, False)])
def test_without_names_on_one_side_numbers_are_matched_and_this_is_told(ours, other):
    matched = match(data(named=ours), "other", theirs(NAMES[::-1], named=other))
    assert matched.test.labels.tolist() == [0, 1, 2, 3]
    assert "matched by number" in matched.notes[0]
    assert "class_names" in matched.notes[0]
    with pytest.raises(DataError, match="has 5 classes, ours has 4"):
        match(data(named=ours), "other", theirs((*NAMES, "fifth"), named=False))


def test_images_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r"shape \(5, 5, 1\), expected \(4, 4, 1\)"):
        match(data(), "other", theirs(NAMES, side=5))


def test_labels_are_changed_in_the_extra_test_set_alone():
    other = theirs(NAMES[::-1])
    added = with_extra_tests(data(), {"other": other})
    assert added.extra_tests["other"].labels.tolist() == [3, 2, 1, 0]
    assert other.test.labels.tolist() == [0, 1, 2, 3]
    assert added.test.labels.tolist() == data().test.labels.tolist()


# What of a source is scored.


def test_all_images_of_a_folder_without_splits_are_scored(tmp_path):
    for k, name in enumerate(("a", "b")):
        for i in range(3 + k):
            paint(tmp_path / name / f"{i}.png", 20 * i + k)
    other = folder(tmp_path).load_extra_test()
    assert np.bincount(other.test.labels).tolist() == [3, 4]


def test_the_test_images_of_a_folder_with_splits_are_scored_and_it_needs_no_others(tmp_path):
    for split, n in (("train", 5), ("test", 2)):
        for k, name in enumerate(("a", "b")):
            for i in range(n):
                paint(tmp_path / split / name / f"{i}.png", 20 * i + k)
    whole = folder(tmp_path).load_extra_test().test
    assert whole.files is not None
    assert {name.split("/")[0] for name in whole.files} == {"test"}
    (tmp_path / "train").rename(tmp_path.with_name(f"{tmp_path.name}_gone"))
    assert folder(tmp_path).load_extra_test().test.files == whole.files
    with pytest.raises(DataError, match="no folder train"):
        folder(tmp_path).load()


def npz(path: Path, **content: object) -> Npz:
    np.savez(path, **content)  # type: ignore[arg-type]
    return Npz("npz", Npz.Config(path=path))


IMAGES = np.zeros((6, 4, 4), np.uint8)
LABELS = np.array([[0], [1], [2], [0], [1], [2]])


def test_a_file_of_test_images_alone_is_an_extra_test_set_and_nothing_else(tmp_path):
    source = npz(tmp_path / "corrupted.npz", test_images=IMAGES, test_labels=LABELS)
    other = source.load_extra_test()
    assert (len(other.test), other.classes, other.named) == (6, ("0", "1", "2"), False)
    with pytest.raises(DataError, match="test images only.*--extra-test NAME=npz:"):
        source.load()


def test_the_test_split_of_a_whole_file_is_scored(layout, write_npz):
    source = Npz("npz", Npz.Config(path=write_npz(layout())))
    assert np.array_equal(source.load_extra_test().test.images, source.load().test.images)


def test_class_names_of_a_file_are_read_and_checked(tmp_path):
    content = {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES, "test_labels": LABELS}
    named = npz(tmp_path / "named.npz", **content, class_names=np.array(["x", "y", "z"])).load()
    assert (named.classes, named.named) == (("x", "y", "z"), True)
    for names, word in (
        (["x", "y"], "2 names"),
        (["x", "y", "y"], "different names"),
        (["x", "y", " "], "different names"),
        ([1, 2, 3], "one string per class"),
        ([["x", "y", "z"]], "one string per class"),
    ):
        with pytest.raises(DataError, match=word):
            npz(tmp_path / "bad.npz", **content, class_names=np.array(names)).load()
    with pytest.raises(DataError, match="numpy strings"):
        npz(tmp_path / "objects.npz", **content, class_names=np.array(["x", "y", "z"], dtype=object)).load()


def test_a_test_label_without_a_name_is_refused(tmp_path):
    source = npz(tmp_path / "t.npz", test_images=IMAGES, test_labels=LABELS, class_names=np.array(["x", "y"]))
    with pytest.raises(DataError, match=r"holds 2 at index 2"):
        source.load_extra_test()


def test_what_is_scored_is_cached_apart_from_the_data_set(tmp_path):
    for k, name in enumerate(("a", "b")):
        for i in range(10):
            paint(tmp_path / "images" / name / f"{i}.png", 9 * i + k)
    source = folder(tmp_path / "images")
    first, again = (cached_extra_test(source, tmp_path / "cache", source.digest()) for _ in range(2))
    assert len(first.test) == len(again.test) == 20
    assert np.array_equal(first.test.images, again.test.images)
    assert (first.classes, first.named, first.images, first.notes) == (
        again.classes,
        again.named,
        again.images,
        again.notes,
    )


@pytest.mark.parametrize("ours", [True, False])
def test_folders_named_by_numbers_are_the_numbers_of_a_source_without_names(ours):
    numbers = tuple(map(str, range(12)))
    named = tuple(sorted(numbers))  # 0, 1, 10, 11, 2, ...: the order of folders
    main, other = (named, numbers) if ours else (numbers, named)
    matched = match(data(main, named=ours), "other", theirs(other, named=not ours))
    assert [main[k] for k in matched.test.labels] == list(other)


def test_folders_numbered_from_one_are_not_taken_for_numbers_from_zero():
    with pytest.raises(DataError, match="'0', which ours does not have"):
        match(data(("1", "2", "3")), "other", theirs(("0", "1", "2"), named=False))


def test_files_of_an_extra_test_set_that_are_left_out_are_told(tmp_path):
    for name in ("a", "b"):
        for i in range(10):
            paint(tmp_path / name / f"{i}.png", 9 * i)
    main = folder(tmp_path).load()
    (tmp_path / "a" / "0.png").write_bytes(b"no image")
    notes = match(main, "other", folder(tmp_path, skip_corrupt=True).load_extra_test()).notes
    (told,) = [note for note in notes if "left out" in note]
    assert told == "extra test set 'other': 1 file(s) left out: not a PNG, JPEG, TIFF, BMP, WebP or DICOM image"
    assert "0.png" not in told, "notes stand in records, which are published"
