"""The cache of decoded arrays: same content, shared, never trusted when damaged, never in the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from benchmark import plugin_files
from benchmark.datasets.base import DataError
from benchmark.datasets.cache import cached
from benchmark.datasets.folder import Folder
from benchmark.datasets.npz import Npz
from benchmark.store import digests
from benchmark.store.once import CacheWarning


@pytest.fixture
def dataset(layout, write_npz):
    arrays = layout()
    arrays["train_labels_rater/one"] = arrays["train_labels"][::-1]
    path = write_npz(arrays)
    return lambda: Npz("npz", Npz.Config(path=path))


def no_load(self, progress=None):
    raise AssertionError("decoded again")


def same(first, second) -> bool:
    pairs = [(first.train, second.train), (first.val, second.val), (first.test, second.test)]
    equal = all(np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels) for a, b in pairs)
    given = {name: labels.tolist() for name, labels in first.train.given.items()}
    return equal and given == {name: labels.tolist() for name, labels in second.train.given.items()}


def test_second_load_is_memory_mapped_equal_and_decodes_nothing(dataset, tmp_path, monkeypatch):
    direct = dataset().load()
    cached(dataset(), tmp_path / "cache")
    monkeypatch.setattr(Npz, "load", no_load)
    data = cached(dataset(), tmp_path / "cache")
    assert same(data, direct)
    assert isinstance(data.train.images.base, np.memmap)
    assert (data.name, data.classes) == (direct.name, direct.classes)
    with pytest.raises(ValueError, match="read-only"):
        data.train.images[0] = 0


def test_an_earlier_layout_is_decoded_again_under_the_same_key(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.datasets.cache.LAYOUT", 1)
    cached(dataset(), tmp_path / "cache")
    monkeypatch.undo()
    (place,) = (tmp_path / "cache").iterdir()
    with pytest.warns(CacheWarning, match="of an earlier version: decoded images there are made again"):
        cached(dataset(), tmp_path / "cache")
    assert [*(tmp_path / "cache").iterdir()] == [place]
    monkeypatch.setattr(Npz, "load", no_load)
    assert same(cached(dataset(), tmp_path / "cache"), cached(dataset(), tmp_path / "cache"))


def test_first_load_returns_what_later_ones_do(dataset, tmp_path):
    assert same(cached(dataset(), tmp_path / "cache"), cached(dataset(), tmp_path / "cache"))


def test_known_digest_spares_reading_the_source(dataset, tmp_path, monkeypatch):
    cached(dataset(), tmp_path / "cache")
    digest = dataset().digest()
    monkeypatch.setattr(Npz, "digest", no_load)
    cached(dataset(), tmp_path / "cache", digest)


def test_source_that_changed_since_its_digest_is_refused(dataset, tmp_path):
    with pytest.raises(DataError, match="has changed"):
        cached(dataset(), tmp_path / "cache", "sha256:0")


def test_renamed_source_shares_the_cache_under_its_own_name(dataset, tmp_path, monkeypatch):
    cached(dataset(), tmp_path / "cache")
    copy = shutil.copy(dataset().cfg.path, tmp_path / "renamed.npz")
    monkeypatch.setattr(Npz, "load", no_load)
    assert cached(Npz("npz", Npz.Config(path=copy)), tmp_path / "cache").name == "renamed"


def stored(folder):
    (place,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return place


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip_one_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["train_images.npy", "test_labels.npy", "train_given_0.npy", "meta.json"])
@pytest.mark.parametrize("damage", [cut, flip_one_byte, os.unlink, lambda path: path.write_bytes(b"")])
def test_damaged_cache_is_rebuilt(dataset, tmp_path, name, damage):
    cached(dataset(), tmp_path / "cache")
    damage(stored(tmp_path / "cache") / name)
    with pytest.warns(CacheWarning, match="damaged.*made again"):
        assert same(cached(dataset(), tmp_path / "cache"), dataset().load())
    assert len(list((tmp_path / "cache").iterdir())) == 1
    json.loads((stored(tmp_path / "cache") / "meta.json").read_text())


def test_a_bit_flipped_under_an_unchanged_time_stamp_is_told_by_the_next_process(dataset, tmp_path):
    cached(dataset(), tmp_path / "cache")
    path = stored(tmp_path / "cache") / "train_images.npy"
    before = path.stat()
    flip_one_byte(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    digests._digest_in_state.cache_clear()  # as in a new process
    with pytest.warns(CacheWarning, match="damaged.*made again"):
        assert same(cached(dataset(), tmp_path / "cache"), dataset().load())


def test_the_cache_is_as_open_as_the_umask_says(dataset, tmp_path):
    former = os.umask(0o002)
    try:
        cached(dataset(), tmp_path / "cache")
    finally:
        os.umask(former)
    place = stored(tmp_path / "cache")
    assert place.stat().st_mode & 0o777 == 0o775
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o664}


def test_copied_cache_is_believed_after_its_hash_is_checked(dataset, tmp_path, monkeypatch):
    cached(dataset(), tmp_path / "cache")
    shutil.copytree(tmp_path / "cache", tmp_path / "copy", copy_function=shutil.copyfile)
    monkeypatch.setattr(Npz, "load", no_load)
    cached(dataset(), tmp_path / "copy")


def _race(dataset, folder, barrier, queue):
    barrier.wait()
    data = cached(dataset, folder)
    queue.put(int(data.train.images.sum()))


def test_processes_that_race_all_get_the_data_and_leave_one_copy(dataset, tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(4), context.Queue()
    arguments = (dataset(), tmp_path / "cache", barrier, queue)
    workers = [context.Process(target=_race, args=arguments) for _ in range(4)]
    for worker in workers:
        worker.start()
    sums = [queue.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(30)
    assert set(sums) == {int(dataset().load().train.images.sum())}
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_full_disk_keeps_the_data_in_memory_and_leaves_nothing(dataset, tmp_path):
    direct = dataset().load()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        with pytest.warns(CacheWarning, match="stay in memory"):
            data = cached(dataset(), tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert same(data, direct)
    assert list((tmp_path / "cache").iterdir()) == []


def test_cache_folder_that_cannot_be_made_costs_a_warning_only(dataset, tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(CacheWarning, match="cannot keep decoded images"):
        assert len(cached(dataset(), tmp_path / "file" / "cache").train) == 30


def test_leavings_of_killed_processes_are_removed_once_old(dataset, tmp_path):
    old, young = tmp_path / "cache" / ".npz-1.tmp", tmp_path / "cache" / ".npz-2.tmp"
    for scratch in (old, young):
        scratch.mkdir(parents=True)
    os.utime(old, (time.time() - 1e6,) * 2)
    cached(dataset(), tmp_path / "cache")
    assert not old.exists()
    assert young.exists()


@pytest.mark.timed
def test_real_blood_cells_load_from_the_cache_in_a_fraction_of_the_time(real, tmp_path):
    path = real("pbc_28.npz")
    source = Npz("npz", Npz.Config(path=path))
    direct = cached(source, tmp_path)
    start = time.perf_counter()
    data = cached(Npz("npz", Npz.Config(path=path)), tmp_path, source.digest())
    assert time.perf_counter() - start < 0.2
    assert np.array_equal(data.test.images, direct.test.images)


PLUGIN = """
import numpy as np
from benchmark.datasets.base import Arrays, Data, Dataset
from helper import VALUE

class Flat(Dataset):
    def digest(self):
        return "sha256:0"

    def load(self, progress=None):
        part = Arrays(np.full((4, 8, 8, 1), VALUE, np.uint8), np.arange(4) % 2)
        return Data("flat", 2, ("a", "b"), part, part)
"""


def test_a_data_set_from_outside_is_decoded_again_when_its_code_changes(tmp_path):
    path = tmp_path / "flat.py"
    for value in (7, 123):
        path.write_text(PLUGIN)
        path.with_name("helper.py").write_text(f"VALUE = {value}")
        plugin_files.forget_changed(path)
        module = plugin_files.load(path)
        plugin = module.Flat("flat", module.Flat.Config())
        for _ in range(2):
            assert cached(plugin, tmp_path / "cache").train.images.max() == value
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_what_is_told_of_a_data_set_is_kept_with_its_arrays(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(np.full((8, 8), 400 * i, np.uint16)).save(tmp_path / "images" / name / f"{i}.png")
    (tmp_path / "images" / "unlabeled").mkdir()
    source = Folder("folder", Folder.Config(path=tmp_path / "images"))
    direct, stored = source.load(), [cached(source, tmp_path / "cache") for _ in range(2)][1]
    for name in ("classes", "named", "skipped", "images", "notes"):
        assert getattr(direct, name) == getattr(stored, name)
    assert np.array_equal(direct.train.fingerprints, stored.train.fingerprints)
    assert stored.notes
