"""Stored probabilities of a clean classifier: a file of arrays, checked against their digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmark.errors import NoisybenchError
from benchmark.store.arrays import UNREADABLE, seal_npz, unseal_npz
from benchmark.store.atomic import write_atomically

Probabilities = dict[str, np.ndarray]
""""train" and perhaps "val" -> [n, K] float32."""


class StaleProbabilities(NoisybenchError):
    """Stored probabilities of a clean classifier are absent, damaged, or not those in the run's identity."""


@dataclass(frozen=True)
class StoredProbabilities:
    """A file of probabilities, and the digest that the run's identity expects of it."""

    path: Path
    digest: str

    def of(self, split: str) -> np.ndarray:
        """[n, K] of "train" or "val". Raises StaleProbabilities if it is absent, damaged or has another digest."""
        probabilities = read(self.path)
        if probabilities is None or digest_of(probabilities) != self.digest:
            raise StaleProbabilities(
                f"{self.path} does not hold the probabilities {self.digest} that these labels are made from; "
                "put the file back, or start the grid anew: it trains the clean classifier again"
            )
        return probabilities[split]


def digest_of(probabilities: Probabilities) -> str:
    """ "sha256:..." of the names, shapes and values, equal on every platform."""
    total = hashlib.sha256()
    for name, values in sorted(probabilities.items()):
        total.update(f"{name} {values.shape}\0".encode())
        total.update(np.ascontiguousarray(values, dtype="<f4").data)
    return "sha256:" + total.hexdigest()


def write(path: Path, probabilities: Probabilities) -> None:
    """Stores them with a digest. Raises StoreError."""
    write_atomically(path, seal_npz(probabilities, path.stem))


def stored_digest(path: Path) -> str | None:
    """The digest of a file's probabilities, recomputed; None if the file is absent or damaged."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _digest_of_file(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _digest_of_file(path: Path, mtime_ns: int, size: int) -> str | None:
    """Cached by modification time and size, because every job of a grid asks for it."""
    probabilities = read(path)
    return None if probabilities is None else digest_of(probabilities)


def read(path: Path) -> Probabilities | None:
    """The probabilities in the file; None if it is absent or damaged."""
    try:
        return unseal_npz(path.read_bytes(), path.stem)
    except UNREADABLE:
        return None
