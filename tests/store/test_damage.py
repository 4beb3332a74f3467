"""Whatever happens to the bytes of a stored file, it is read as it was written, or an error names it."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save

from benchmark.noise import saved
from benchmark.noise.base import Corruption, NoiseError, Split
from benchmark.noise.manifest import make_manifest
from benchmark.noise.rate_estimate import HeldOut
from benchmark.registry import NOISE
from benchmark.runs import clean_probabilities, hints
from benchmark.runs.frozen_features import stored
from benchmark.store import arrays, digests, health, kept
from benchmark.store.atomic import StoreError, write_atomically, write_folder
from benchmark.store.compaction import compact
from benchmark.store.digests import SLOT, check_seal, seal
from benchmark.store.schema import SCHEMA
from benchmark.store.store import Store
from tests.grid.test_spec import spec

ERRORS = (StoreError, ValueError, NoiseError, clean_probabilities.StaleProbabilities)
IDS = ("ab12ab12ab12ab12", "cd34cd34cd34cd34")


def record(number: int, **more: Any) -> dict[str, Any]:
    metrics = {"last": {"accuracy": 0.1234567 + number, "nll": 1.5e-7, "auroc": None}}
    return {"schema": SCHEMA, "id": IDS[number], "spec": {"n": number}, "state": "ok", "metrics": metrics, **more}


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | torch.Tensor):
        return np.asarray(value).tolist()
    return {name: plain(inner) for name, inner in value.items()} if isinstance(value, dict) else value


@dataclass(frozen=True)
class Kind:
    """A kind of stored file: how two of them are written, and how one is read."""

    write: Callable[[Store, int], None]
    pattern: str
    """Of all of its files; the first of them are those of number 0."""
    read: Callable[[Store], Any]
    """The content of number 0. Raises one of ERRORS, which names the file."""


def _records(store: Store) -> Any:
    contents = store.records()
    for path, reason in contents.broken:
        raise ValueError(f"{path}: {reason}")
    return [dict(found) for found in contents.records]


def _failures(store: Store) -> Any:
    contents = store.failures()
    for path, reason in contents.broken:
        raise ValueError(f"{path}: {reason}")
    return [dict(found) for found in contents.records]


def _write_failure(store: Store, number: int) -> None:
    store.write_failure(record(number) | {"state": "failed", "error": {"class": "E", "message": f"m{number}"}})


def _write_segment(store: Store, number: int) -> None:
    store.write(record(number))
    compact(store)


def _one(store: Store) -> dict[str, Any] | None:
    """The whole record of the first run, curve and all."""
    found = store.read(IDS[0])
    return None if found is None else dict(found)


def _write_weights(store: Store, number: int) -> None:
    content = save({"w": torch.arange(5.0) + number}, metadata={"digest": SLOT.decode()})
    write_atomically(kept.path_of(store, IDS[number], kept.WEIGHTS), seal(content, IDS[number]))


def _read_weights(store: Store) -> Any:
    path = kept.path_of(store, IDS[0], kept.WEIGHTS)
    kept.check(path)
    return load_file(path)


def _identity(number: int) -> dict[str, Any]:
    return {"network": "n", "data": f"d{number}"}


def _features(store: Store, number: int) -> Any:
    values = np.arange(40, dtype=np.float32).reshape(8, 5) + number
    return np.array(stored(store.cache("features"), _identity(number), lambda: values)[0])


def _probabilities(number: int) -> dict[str, np.ndarray]:
    return {"train": np.full((4, 2), 0.5, dtype=np.float32) + number, "val": np.eye(2, dtype=np.float32)}


def _read_probabilities(store: Store) -> Any:
    path = store.folder / "references" / f"{IDS[0]}.npz"
    known = clean_probabilities.digest_of(_probabilities(0))
    return clean_probabilities.StoredProbabilities(path, known).of("train")


def _estimate(store: Store, number: int) -> Any:
    labels = np.arange(60) % 3
    probabilities = np.eye(3)[(labels + (np.arange(60) % (3 + 4 * number) == 0)) % 3] * 0.9 + 0.03
    made = hints.cached_estimate(
        spec(method={"name": "gce", "version": number + 1, "config": {}}, track="blind").model_copy(
            update={"seeds": spec().seeds.model_copy(update={"noise": number})}
        ),
        store.cache("estimates"),
        lambda: (labels, HeldOut(probabilities, np.tile(probabilities.argmax(1), (2, 1)))),
    )
    return made.noise.rate


def _write_checkpoint(store: Store, number: int) -> None:
    path = store.work(IDS[number]) / "checkpoint.pt"
    write_atomically(path, seal(bytes(range(100)) + bytes([number]) + SLOT, path.parent.name))


def _read_checkpoint(store: Store) -> bytes:
    path = store.work(IDS[0]) / "checkpoint.pt"
    content = path.read_bytes()
    check_seal(content, path.parent.name)
    return content


def _write_noise(store: Store, number: int) -> None:
    labels = np.arange(30) % 3
    noisy = (labels + (np.arange(30) % (5 + number) == 0)) % 3
    plugin = NOISE.load("symmetric")
    split = Split("train", labels, 3, "d", "k")
    manifest = make_manifest(plugin(plugin.Config(rate=0.2)), {"rate": 0.2}, split, Corruption(noisy))
    origin = {"dataset": {}, "noise": {}, "seed": number, "identity": {"digest": "sha256:" + "1" * 64}}
    labelled = {"train_noisy": noisy, "train_clean": labels, "train_index": np.arange(30)}
    saved.write(store.folder / "noise", f"n{number}", origin, {"train": manifest}, labelled)


def _read_noise(store: Store) -> Any:
    path = store.folder / "noise" / "n0.json"
    manifest = saved.read(path)
    if faults := saved.faults_of_labels(path, manifest):
        raise ValueError("; ".join(faults))
    return manifest, path.with_suffix(".npz").read_bytes()


KINDS = {
    "record": Kind(lambda store, n: store.write(record(n, curve=[1, 2.5])), "runs/*/*.json", _records),
    "whole record": Kind(lambda store, n: store.write(record(n, curve=[1, 2.5])), "runs/*/*.json", _one),
    "failure": Kind(_write_failure, "failures/*.json", _failures),
    "segment": Kind(_write_segment, "segments/*.parquet", _records),
    "predictions": Kind(
        lambda store, n: kept.write_predictions(store, IDS[n], {"test/last": np.eye(3) + n, "classes": np.array("a")}),
        "runs/*/*.npz",
        lambda store: kept.read_predictions(store, IDS[0]),
    ),
    "weights": Kind(_write_weights, "runs/*/*.safetensors", _read_weights),
    "features": Kind(lambda store, n: _features(store, n), "work/features/*/*", lambda store: _features(store, 0)),
    "clean probabilities": Kind(
        lambda store, n: clean_probabilities.write(store.folder / "references" / f"{IDS[n]}.npz", _probabilities(n)),
        "references/*.npz",
        _read_probabilities,
    ),
    "estimate": Kind(lambda store, n: _estimate(store, n), "work/estimates/*.json", lambda store: _estimate(store, 0)),
    "checkpoint": Kind(_write_checkpoint, "work/runs/*/checkpoint.pt", _read_checkpoint),
    "noisy labels": Kind(_write_noise, "noise/*", _read_noise),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> dict[str, Store]:
    """A folder for each kind, with two files of it."""
    stores = {}
    for name, kind in KINDS.items():
        store = Store(tmp_path_factory.mktemp("sound") / "results")
        store.prepare()
        for number in (0, 1):
            kind.write(store, number)
        stores[name] = store
    return stores


DAMAGE = st.tuples(
    st.sampled_from(["cut", "longer", "flipped", "digit", "empty", "zeros", "swapped", "spread"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 7),
)


def damage(files: list[Path], which: int, kind: str, place: float, bit: int) -> Path:
    path, other = files[which % len(files)], files[(which + 1) % len(files)]
    content = path.read_bytes()
    at = int(place * len(content))
    digits = [position for position, byte in enumerate(content) if byte in b"0123456789"]
    if kind == "digit" and digits:
        at = digits[int(place * len(digits))]
        content = content[:at] + str((int(chr(content[at])) + 1 + bit) % 10).encode() + content[at + 1 :]
    else:
        content = {
            "cut": content[:at],
            "longer": content + content[:at],
            "flipped": content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :],
            "empty": b"",
            "zeros": bytes(len(content)),
            "swapped": other.read_bytes(),  # a right digest under a wrong name
            "spread": content[:at] + other.read_bytes()[at:],
        }.get(kind, content)
    path.write_bytes(content)
    return path


@settings(deadline=None, max_examples=400)
@given(name=st.sampled_from(sorted(KINDS)), which=st.integers(0, 20), harm=DAMAGE)
def test_a_damaged_file_is_read_as_it_was_or_named(sound, tmp_path_factory, name, which, harm):
    kind = KINDS[name]
    expected = plain(kind.read(sound[name]))
    store = Store(shutil.copytree(sound[name].folder, tmp_path_factory.mktemp("any") / "results"))
    files = sorted(store.folder.glob(kind.pattern))
    digests._digest_in_state.cache_clear()
    path = damage(files, which, *harm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of caches that are thrown away
        told = ""
        try:
            found = plain(kind.read(store))
        except ERRORS as error:
            told = str(error)
    if not told:
        assert found == expected
    elif name not in ("predictions", "weights", "checkpoint"):  # whose readers have the path in their hands
        assert path.name in told


@pytest.mark.parametrize("name", ["segment", "predictions", "weights", "checkpoint", "features", "estimate"])
@pytest.mark.parametrize("harm", [("swapped", 0.5, 0), ("flipped", 0.7, 1), ("cut", 0.5, 0)], ids=lambda harm: harm[0])
def test_doctor_names_every_damaged_file(sound, tmp_path, name, harm):
    store = Store(shutil.copytree(sound[name].folder, tmp_path / "results"))
    path = damage(sorted(store.folder.glob(KINDS[name].pattern)), 0, *harm)
    digests._digest_in_state.cache_clear()
    found = health.examine(store)
    told = [*(broken.path for broken in (*found.broken, *found.damaged_caches))]
    assert {path, path.parent} & set(told) or any(str(path) in message for message in found.unreadable)
    sane = health.examine(sound[name])
    assert [*sane.broken, *sane.damaged_caches, *sane.unreadable] == []


def test_a_record_that_somebody_formatted_anew_is_the_same_record(sound, tmp_path):
    store = Store(shutil.copytree(sound["record"].folder, tmp_path / "results"))
    before = store.records().records
    for path in store.loose():
        path.write_text(json.dumps(json.loads(path.read_text()), indent=4, sort_keys=True) + "\n")
    contents = store.records()
    assert (contents.records, contents.broken) == (before, [])


def test_a_folder_of_a_cache_under_another_name_is_not_believed(tmp_path):
    def write(scratch: Path) -> None:
        (scratch / "array.npy").write_text(str(len(list(tmp_path.iterdir()))))

    for name in ("one", "two"):
        write_folder(tmp_path / name, write)
    assert digests.intact(tmp_path / "one")
    shutil.rmtree(tmp_path / "one")
    (tmp_path / "two").rename(tmp_path / "one")
    assert not digests.intact(tmp_path / "one")


def test_a_kept_file_is_one_that_others_can_read(tmp_path):
    content = arrays.seal_npz({"test/last": np.eye(2)}, "ab12")
    (tmp_path / "p.npz").write_bytes(content)
    with np.load(tmp_path / "p.npz") as file:
        assert file["test/last"].tolist() == np.eye(2).tolist()
