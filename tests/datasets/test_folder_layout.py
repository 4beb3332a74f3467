"""Which folders are splits, which are classes, what is skipped, and what is refused because it may be either."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.datasets._class_folders import JUNK, Listing, arrange
from benchmark.datasets.base import DataError
from benchmark.store.tree import Tree
from tests.datasets.test_folder_links import folder, paint

TRAIN = ("train", "Train", "TRAINING", "Training", "train_set", "training-data")
VAL = ("val", "Val", "valid", "Validation", "VALIDATION", "dev", "val_set")
TEST = ("test", "Test", "TESTING", "Testing", "test_images")
CLASSES = ("benign", "malignant")


def arranged(*files: str, folders: tuple[str, ...] = (), test_only: bool = False) -> Listing:
    """The listing of a folder that holds these files."""
    parents = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    return arrange(Path("data"), Tree(sorted(files), sorted(parents | set(folders))), test_only=test_only)


def below(*splits: str) -> list[str]:
    return [f"{split}/{name}/{i}.png" for split in splits for name in CLASSES for i in range(2)]


@given(st.sampled_from(TRAIN), st.none() | st.sampled_from(VAL), st.sampled_from(TEST))
def test_usual_names_of_splits_are_recognized_in_any_case(train, val, test):
    named = {"train": train, "val": val, "test": test}
    listing = arranged(*below(*filter(None, named.values())))
    assert listing.classes == list(CLASSES)
    assert listing.splits == tuple(split for split, name in named.items() if name)
    assert all(image.name.split("/")[0] == named[image.split] for image in listing.images)
    said = " ".join(listing.notes)
    assert all(f"{name} as {split}" in said for split, name in named.items() if name and name != split)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (below("Training"), ["'Training'", "no folder test"]),
        (below("train", "val"), ["no folder test"]),
        (below("test"), ["no folder train", "--extra-test"]),
        (below("valid", "Testing"), ["no folder train"]),
        (below("train", "Train", "test"), ["'Train', 'train'", "train split"]),
        (below("train", "test", "val", "validation"), ["'val', 'validation'", "val split"]),
        ([*below("train", "test"), "extra/benign/1.png"], ["'extra'", "look(s) like splits"]),
        ([*below("train"), "test/1.png", "test/2.png"], ["'test'", "without class folders"]),
        (["Train/1.png", "Test/2.png"], ["without class folders"]),
        (["train/1.png", "val/2.png", "test/3.png"], ["without class folders"]),
        (["control/p1/1.png", "test/p2/1.png"], ["look(s) like splits"]),
        (below("seg_train", "seg_test", "seg_pred"), ["'seg_test', 'seg_train'", "may be splits or classes"]),
        (["train/1.png", "test1/2.png"], ["'test1', 'train'", "may be splits or classes"]),
        (["Kidney Train/1.png", "Kidney-Validation2/1.png"], ["may be splits or classes"]),
    ],
)
def test_what_may_be_a_split_or_a_class_is_refused_with_the_names(files, words):
    with pytest.raises(DataError) as caught:
        arranged(*files)
    for word in words:
        assert word in str(caught.value), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["test", "valid", "training", "dev"])
def test_one_folder_of_such_a_name_among_flat_ones_is_a_class(name):
    listing = arranged("control/1.png", f"{name}/2.png")
    assert listing.classes == sorted(("control", name))
    assert listing.splits == ()


def test_folders_without_images_beside_splits_do_not_matter():
    assert arranged(*below("train", "test"), "annotations/boxes.json").classes == list(CLASSES)


@pytest.mark.parametrize("name", ["intestine", "trainee", "latest", "devil", "value", "contest"])
def test_words_that_hold_such_a_name_are_classes(name):
    assert arranged(f"{name}/a/1.png", "other/a/2.png").classes == sorted((name, "other"))


def test_an_empty_split_folder_does_not_count():
    listing = arranged(*below("train", "test"), folders=("val",))
    assert listing.splits == ("train", "test")


def test_as_an_extra_test_set_a_folder_needs_a_test_split_only():
    assert arranged(*below("Testing"), test_only=True).splits == ("test",)
    assert arranged("benign/1.png", test_only=True).classes == ["benign"]
    with pytest.raises(DataError, match="no folder test"):
        arranged(*below("train"), test_only=True)


@given(st.sampled_from(sorted(JUNK)), st.sampled_from([str.upper, str.title, str.lower]))
def test_junk_is_skipped_and_named(name, spelled):
    name = spelled(name)
    tree = Tree(["cat/1.png", "dog/2.png"], ["cat", "dog"], skipped=[name, f"cat/{name}"])
    listing = arrange(Path("data"), tree)
    assert listing.classes == ["cat", "dog"]
    assert [repr(name) in note and repr(f"cat/{name}") in note for note in listing.notes] == [True]


def test_junk_on_the_disk_is_neither_read_nor_a_class(tmp_path):
    for k, name in enumerate(("cat", "dog")):
        for i in range(10):
            paint(tmp_path / name / f"{i}.png", 90 * k + i)
    for name in ("unlabeled/1.png", "__MACOSX/cat/._1.png", "cat/Thumbs.db", "dog/desktop.ini"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    paint(tmp_path / "cat" / ".ipynb_checkpoints" / "1-checkpoint.png", 3)
    data = folder(tmp_path).load()
    assert (data.classes, data.skipped) == (("cat", "dog"), {})
    (note,) = data.notes
    for name in ("unlabeled", "__MACOSX", "cat/Thumbs.db", "dog/desktop.ini", "cat/.ipynb_checkpoints"):
        assert repr(name) in note


def test_classes_that_differ_by_case_or_white_space_only_are_one_suspicion():
    listing = arranged("Cat/1.png", "cat/2.png", "c at/3.png", "dog/4.png")
    (note,) = listing.notes
    assert "'Cat', 'c at', 'cat'" in note
    assert listing.classes == ["Cat", "c at", "cat", "dog"]


def test_a_class_that_is_spelled_differently_in_test_is_suspected_in_the_refusal(tmp_path):
    for name in ("train/Cat", "train/dog", "test/cat", "test/dog"):
        paint(tmp_path / name / "1.png", 3)
    with pytest.raises(DataError, match=r"no training image of class cat.*'Cat', 'cat'"):
        folder(tmp_path).load()


def test_a_folder_around_the_data_set_is_suggested():
    with pytest.raises(DataError, match="perhaps folder:data/chest_xray is meant"):
        arranged(*(f"chest_xray/{name}" for name in below("train", "test")))
