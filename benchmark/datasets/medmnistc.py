"""The official files of MedMNIST-C (Di Salvo et al., arXiv 2406.17536, 2024) as extra test sets.

A file CORRUPTION.npz holds the test images of a MedMNIST set at 224 px five times, one severity after the other:
`test_images` [5n, 224, 224] or [5n, 224, 224, 3] uint8 and `test_labels` [5n, 1].
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator

from benchmark.datasets._texts import Texts
from benchmark.datasets.base import (
    Arrays,
    CorruptedCopies,
    CorruptedCopy,
    CorruptedTests,
    DataError,
    Settings,
    expand_home,
)
from benchmark.store import digests
from benchmark.store.arrays import UNREADABLE
from benchmark.store.tree import readable

SEVERITIES = 5
SOURCE = "https://zenodo.org/records/11471504"


def _exists(path: Path) -> Path:
    if not path.exists():
        raise ValueError(f"{path} does not exist; the official files are at {SOURCE}")
    return path


class MedMNISTC(CorruptedTests):
    """Official files of MedMNIST-C, as an extra test set: medmnistc:FOLDER of one data set, or medmnistc:FILE."""

    names: ClassVar[tuple[str, ...]] = ("medmnistc",)

    class Config(Settings):
        path: Annotated[Path, BeforeValidator(expand_home), AfterValidator(_exists)]
        """`pixelate.npz`, `bubble.npz`, ... of one data set, or one such file."""
        kinds: Texts = ()
        """Corruptions, [pixelate,bubble] or pixelate+bubble; all files of the folder where it is left out."""

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Corruption -> its file. Raises DataError where there is none."""
        path: Path = self.cfg.path
        with readable():
            found = sorted(path.glob("*.npz")) if path.is_dir() else [path]
        files = {file.stem: file for file in found}
        lacking = [kind for kind in self.cfg.kinds if kind not in files]
        if lacking or not files:
            raise DataError(
                f"{path} holds no file {lacking[0] if lacking else 'CORRUPTION'}.npz; expected those of one data set "
                f"of MedMNIST-C ({SOURCE}), found {', '.join(file.name for file in found) or 'none'}"
            )
        return {kind: files[kind] for kind in self.cfg.kinds or files}

    @cached_property
    def _digests(self) -> dict[str, str]:
        with readable():
            return {kind: digests.digest(file) for kind, file in self._files.items()}

    def digest(self) -> str:
        return digests.of_listing(self._digests.items())

    def path_digests(self) -> Mapping[Path, str]:
        return {self.cfg.path: self.digest()}

    def of(self, test: Arrays, name: str) -> CorruptedCopies:
        copies = []
        for kind, file in self._files.items():
            _check(file, test, name)
            copies += [
                CorruptedCopy(
                    kind=kind,
                    severity=severity,
                    key=f"{self.name}-{self._digests[kind]}-{severity}",
                    images=partial(_read, file=file, severity=severity),
                )
                for severity in range(1, SEVERITIES + 1)
            ]
        return CorruptedCopies(tuple(copies))


def _check(path: Path, test: Arrays, name: str) -> None:
    """Raises DataError where the file at `path` is not made of the images of `test`."""
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open("test_images.npy") as member:
                shape, _ = _header(member)
            with archive.open("test_labels.npy") as member:
                labels = np.lib.format.read_array(member, allow_pickle=False).reshape(-1)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    ours = test.images.shape[1:]
    theirs = (*shape[1:], 1) if len(shape) == 3 else tuple(shape[1:])
    if ours != theirs:
        raise DataError(
            f"{path} has images of shape {theirs}, expected {ours} as in {name}: the official files are made at 224 "
            f"px, so train on images of that size (-d bloodmnist:size=224), or use --extra-test corrupted, which makes "
            "corrupted copies at any size"
        )
    if shape[0] != SEVERITIES * len(test) or not np.array_equal(labels, np.tile(test.labels, SEVERITIES)):
        raise DataError(
            f"{path} is not made of the {len(test)} test images of {name}: it holds {shape[0]} images, whose labels "
            f"are not those of {name} five times; expected the file of the same data set"
        )


def _read(images: NDArray[np.uint8], *, file: Path, severity: int) -> NDArray[np.uint8]:
    """The first of one severity, as many as `images` has; read without the others, as a whole file takes gigabytes."""
    made = np.empty_like(images)
    try:
        with zipfile.ZipFile(file) as archive, archive.open("test_images.npy") as member:
            shape, _ = _header(member)
            skipped = (severity - 1) * (shape[0] // SEVERITIES) * math.prod(shape[1:])
            while skipped:
                skipped -= len(member.read(min(skipped, 1 << 24))) or skipped
            flat, done = made.reshape(-1), 0
            while done < len(flat):
                part = member.read(min(len(flat) - done, 1 << 24))
                if not part:
                    raise EOFError("it ends too early")
                flat[done : done + len(part)] = np.frombuffer(part, dtype=np.uint8)
                done += len(part)
    except UNREADABLE as error:
        raise _unreadable(file, error) from error
    return made


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type of the array in a member of an npz file, which is left at the array's first byte."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(member)
    if fortran or dtype != np.uint8 or len(shape) not in (3, 4):
        raise ValueError(f"test_images is {dtype} of shape {shape}, expected uint8 [5n, H, W] or [5n, H, W, 3]")
    return shape, dtype


def _unreadable(path: Path, error: BaseException) -> DataError:
    said = (str(error).splitlines() or [type(error).__name__])[0].strip("'\"")
    return DataError(f"{path} cannot be read as a file of MedMNIST-C ({said}); copy it again from {SOURCE}")
