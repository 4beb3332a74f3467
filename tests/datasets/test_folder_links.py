"""A folder is read as its copy without links would be, and its digest is that of exactly what was read."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmark.datasets.base import Data
from benchmark.datasets.folder import Folder
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import resolve_dataset
from benchmark.store import digests
from benchmark.store.tree import ReadError, walk

NAMES = ("a", "b", "c", "p.png", "q.png", ".hidden", "Thumbs.db")

trees = st.recursive(
    st.integers(0, 3),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
"""A file (its gray value) or a folder of trees."""


def folder(root: Path, **options: object) -> Folder:
    return Folder("folder", Folder.Config(path=root, size=8, **options))


def digest(root: Path) -> str:
    return folder(root).digest()


def paint(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), value).save(path, format="PNG")


def build(place: Path, tree: object, links: Iterator[bool], store: Path) -> None:
    """Writes `tree` to `place`, parts of it into `store` with a link where they belong."""
    if next(links):
        target = store / str(len(list(store.iterdir())))
        target.mkdir()
        build(target / "it", tree, links, store)
        place.symlink_to(os.path.relpath(target / "it", place.parent) if next(links) else target / "it")
    elif isinstance(tree, dict):
        place.mkdir()
        for name, inner in tree.items():
            build(place / name, inner, links, store)
    else:
        paint(place, 50 * int(tree))  # type: ignore[call-overload]


@contextmanager
def built(classes: dict[str, object], links: list[bool]) -> Iterator[tuple[Path, Path]]:
    """The tree with links, and its copy without."""
    with tempfile.TemporaryDirectory() as scratch:
        (store := Path(scratch) / "store").mkdir()
        (root := Path(scratch) / "images").mkdir()
        for name, tree in classes.items():
            build(root / name, tree, itertools.cycle(links), store)
        copy = Path(scratch) / "copy"
        shutil.copytree(root, copy, symlinks=False)
        yield root, copy


CLASSES = st.fixed_dictionaries(
    {
        name: st.dictionaries(st.sampled_from(NAMES), trees, max_size=3).map(lambda tree: {**tree, "r.png": 1})
        for name in ("cat", "dog")
    }
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(CLASSES, st.lists(st.booleans(), min_size=1, max_size=9))
def test_any_layout_of_links_has_the_digest_and_the_images_of_its_copy(classes, links):
    with built(classes, [*links, False]) as (root, copy):
        assert digest(root) == digest(copy)
        ours, theirs = (folder(place, skip_corrupt=True).load_extra_test() for place in (root, copy))
        assert ours.test.files == theirs.test.files
        assert np.array_equal(ours.test.images, theirs.test.images)
        assert walk(root) == walk(copy)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(CLASSES, st.lists(st.booleans(), min_size=1, max_size=9), st.data())
def test_the_digest_changes_with_every_image_that_is_read(classes, links, data):
    with built(classes, [*links, False]) as (root, _):
        before = digest(root)
        read = folder(root, skip_corrupt=True).load_extra_test().test.files
        assert read is not None
        chosen = root / data.draw(st.sampled_from(read))
        content = chosen.read_bytes()
        paint(chosen.resolve(), 211)
        changed = digest(root)
        chosen.resolve().write_bytes(content)
        assert digest(root) == before != changed
        target = chosen.with_name("new.png")
        chosen.rename(target)
        assert digest(root) != before


def image_folder(root: Path) -> Path:
    for k, name in enumerate(("cat", "dog")):
        for i in range(10):
            paint(root / name / f"{i}.png", 40 * k + i)
    return root


def same(one: Data, other: Data) -> bool:
    pairs = ((one.train, other.train), (one.test, other.test))
    return all(a.files == b.files and np.array_equal(a.images, b.images) for a, b in pairs)


def test_linked_class_folders_are_a_data_set_of_their_own(tmp_path):
    one, two = image_folder(tmp_path / "one"), image_folder(tmp_path / "two")
    paint(two / "dog" / "3.png", 200)
    for name, source in (("first", one), ("second", two)):
        (tmp_path / name).mkdir()
        for label in ("cat", "dog"):
            (tmp_path / name / label).symlink_to(source / label)
    assert digest(tmp_path / "first") == digest(one) != digest(tmp_path / "second") == digest(two)
    assert same(folder(tmp_path / "first").load(), folder(one).load())


def test_linked_split_folders_are_read_and_counted(tmp_path):
    for split in ("train", "test"):
        image_folder(tmp_path / "store" / split)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "train").symlink_to("../store/train")
    (tmp_path / "linked" / "test").symlink_to("../store/test")
    assert digest(tmp_path / "linked") == digest(tmp_path / "store")
    assert len(folder(tmp_path / "linked").load().train) == 20
    paint(tmp_path / "store" / "test" / "cat" / "0.png", 123)
    assert digest(tmp_path / "linked") == digest(tmp_path / "store")


def test_the_digest_changes_with_a_class_without_images(tmp_path):
    before = digest(image_folder(tmp_path))
    (tmp_path / "violet").mkdir()
    assert digest(tmp_path) != before


def test_what_is_not_read_changes_nothing(tmp_path):
    before = digest(image_folder(tmp_path))
    for name in ("labels.csv", ".DS_Store", "cat/Thumbs.db", "__MACOSX/cat/._0.png", ".git/HEAD"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert digest(tmp_path) == before


@pytest.mark.parametrize("target", ["..", ".", "../..", "/", "../dog/back"])
def test_links_without_end_are_refused_with_the_link(tmp_path, target):
    root = image_folder(tmp_path / "images")
    (root / "dog" / "back").symlink_to(root / "cat")
    (root / "cat" / "again").symlink_to(target)
    with pytest.raises(ReadError, match=r"contains it.*remove the link"):
        digest(root)
    with pytest.raises(ReadError, match=r"contains it.*remove the link"):
        digests.digest(root)


def test_two_links_to_one_folder_are_no_loop(tmp_path):
    root = image_folder(tmp_path / "images")
    for name in ("x", "y"):
        (root / "cat" / name).symlink_to("../dog")
    assert len(folder(root).load_extra_test().test) == 40


def test_a_link_to_nothing_is_told_and_changes_the_digest(tmp_path):
    before = digest(image_folder(tmp_path))
    (tmp_path / "cat" / "gone.png").symlink_to("nowhere.png")
    assert digest(tmp_path) != before
    with pytest.raises(ValueError, match=r"a link to nothing, or no file \(cat/gone.png\)"):
        folder(tmp_path).load()
    assert folder(tmp_path, skip_corrupt=True).load().skipped == {"cat/gone.png": "a link to nothing, or no file"}


def test_a_name_that_is_not_utf8_is_read_like_any_other(tmp_path):
    root = image_folder(tmp_path)
    before = digest(root)
    (root / "cat" / "0.png").rename(root / "cat" / os.fsdecode(b"caf\xe9.png"))
    assert digest(root) != before
    assert len(folder(root).load().train) == 14


def test_the_path_in_a_runs_identity_is_the_digest_of_what_is_read(tmp_path):
    source = folder(image_folder(tmp_path))
    resolved = resolve_dataset(PluginRef(name="folder"), source)
    assert resolved.part.config["path"] == source.digest()
    assert resolved.files == {source.digest(): str(tmp_path)}
