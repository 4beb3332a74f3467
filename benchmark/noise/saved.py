"""Noisy labels on disk: a manifest with their origin (JSON), and the labels beside it (npz)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmark.noise.base import NoiseError
from benchmark.noise.manifest import Manifest, labels_sha256
from benchmark.store.arrays import UNREADABLE, seal_npz
from benchmark.store.atomic import write_atomically
from benchmark.store.digests import check_json, check_seal, seal_json

SCHEMA = 2
FIRST_WITH_DIGEST = 2
SCHEMAS = range(1, SCHEMA + 1)
FIELDS = frozenset({"schema", "dataset", "noise", "seed", "identity", "labels", "splits"})
HINT = "`noisybench noise make` writes one"

Labels = dict[str, np.ndarray]
"""Arrays `{train,val}_noisy` and `..._clean`, [n] int64, and `..._index`: their positions in the split."""


def write(
    folder: Path, name: str, origin: Mapping[str, Any], manifests: Mapping[str, Manifest], labels: Labels
) -> Path:
    """Writes NAME.npz, then NAME.json, each whole or not at all; returns the manifest's path.

    `origin` holds the fields of FIELDS that say how to make the labels again.
    """
    write_atomically(folder / f"{name}.npz", seal_npz(labels))
    splits = {split: asdict(manifest) for split, manifest in manifests.items()}
    document = {"schema": SCHEMA, **origin, "labels": f"{name}.npz", "splits": splits}
    path = folder / f"{name}.json"
    sealed = orjson.loads(seal_json(document))
    write_atomically(path, orjson.dumps(sealed, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    return path


def read(path: Path) -> dict[str, Any]:
    """The manifest at `path` (.json, or the .npz that lies beside it). Raises NoiseError where it is none, or was
    changed."""
    path = path.with_suffix(".json")
    try:
        content = path.read_bytes()
        manifest = orjson.loads(content)
    except (OSError, ValueError) as error:
        raise NoiseError(f"cannot read the manifest {path} ({error}); {HINT}") from None
    if not isinstance(manifest, dict) or not manifest.keys() >= FIELDS or manifest["schema"] not in SCHEMAS:
        raise NoiseError(f"{path} is no manifest of noisy labels of schema {SCHEMA}; {HINT}")
    try:
        if manifest["schema"] >= FIRST_WITH_DIGEST or "digest" in manifest:
            check_json(manifest, content)
    except ValueError as error:
        raise NoiseError(f"the manifest {path} was changed: {error}; put a copy of it back, or: {HINT}") from None
    return manifest


def faults_of_labels(path: Path, told: Mapping[str, Any]) -> list[str]:
    """How the labels beside the manifest at `path` differ from it, a sentence each; empty where they match."""
    file = path.with_name(str(told["labels"]))
    try:
        content = file.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            digests = {split: labels_sha256(arrays[f"{split}_noisy"]) for split in told["splits"]}
    except UNREADABLE as error:
        return [f"{file} cannot be read ({error})"]
    faults = [
        f"{file}: {split} has SHA-256 {digests[split]}, the manifest says {facts['labels_sha256']}"
        for split, facts in told["splits"].items()
        if digests[split] != facts["labels_sha256"]
    ]
    try:
        if told["schema"] >= FIRST_WITH_DIGEST:
            check_seal(content)
    except ValueError as error:
        faults.append(f"{file}: {error}")
    return faults
