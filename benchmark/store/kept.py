"""Files that stay beside a record on request: test predictions as .npz, weights as .safetensors, with their digests.

Both can be read by anyone: the digest is the comment of the archive, or in the metadata of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from benchmark.store.arrays import seal_npz, unseal_npz
from benchmark.store.atomic import write_atomically
from benchmark.store.digests import check_seal
from benchmark.store.readable import cannot_read
from benchmark.store.store import Store, run_id_of

Keep: TypeAlias = Literal["none", "predictions", "model"]

PREDICTIONS = ".predictions.npz"
WEIGHTS = ".safetensors"
_SUFFIXES: dict[Keep, tuple[str, ...]] = {
    "none": (),
    "predictions": (PREDICTIONS,),
    "model": (PREDICTIONS, WEIGHTS),
}


def path_of(store: Store, run_id: str, suffix: str) -> Path:
    return store.run_path(run_id).with_suffix(suffix)


def write_predictions(store: Store, run_id: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises StoreError where the file cannot be written."""
    write_atomically(path_of(store, run_id, PREDICTIONS), seal_npz(arrays, run_id))


def read_predictions(store: Store, run_id: str) -> dict[str, np.ndarray]:
    """The arrays, checked. Raises ValueError where they are damaged, OSError where there are none."""
    return unseal_npz(path_of(store, run_id, PREDICTIONS).read_bytes(), run_id)


def check(path: Path) -> None:
    """Raises ValueError where a kept file is damaged or an earlier version wrote it, CannotRead where it cannot be
    read now."""
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise cannot_read(path, error) from error
    check_seal(content, run_id_of(path))


def lacking(store: Store, run_id: str, keep: Keep) -> list[Path]:
    """The files that `keep` asks for and that are absent, damaged or of an earlier version. Raises CannotRead."""
    return [path for suffix in _SUFFIXES[keep] if not _whole(path := path_of(store, run_id, suffix))]


def _whole(path: Path) -> bool:
    try:
        check(path)
    except ValueError:
        return False
    return True
