"""Images of another data set in the place of images of the task, for open-set noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmark.datasets.base import Arrays, Data, DataError, stratified_split
from benchmark.seeds import seed_for

SHARED = 0.01
"""A source of which a larger share of images is equal to images of the task is of the task itself."""
Shape = tuple[int, int, int]
"""Height, width and channels of an image."""


@dataclass(frozen=True)
class Pool:
    """Images of another data set that may take the place of those of one split."""

    original: np.ndarray
    """[m, h, w, c] uint8 as that data set has them; may be memory-mapped."""
    shape: Shape
    """Of the task's images, which they are converted to."""
    key: str
    """Identifies the converted images, whatever the machine."""
    chosen: np.ndarray | None = None
    """Positions in `original` of those that may be used; None: all."""

    def __len__(self) -> int:
        return len(self.original) if self.chosen is None else len(self.chosen)

    def images(self, index: np.ndarray) -> np.ndarray:
        """[k, H, W, C] uint8 of the images `index` of the pool."""
        return converted(self.original[self.places(index)], self.shape)

    def places(self, index: np.ndarray) -> np.ndarray:
        """Positions in `original` of the images `index` of the pool."""
        return index if self.chosen is None else self.chosen[index]

    @cached_property
    def whole(self) -> np.ndarray:
        """All of `original`, converted."""
        return converted(self.original, self.shape)


@dataclass(frozen=True)
class Replaced:
    """Which images of a labelled set are replaced, and by which."""

    pool: Pool
    at: np.ndarray
    """[k] positions in the set."""
    index: np.ndarray
    """[k] images of the pool."""

    def put_into(self, images: np.ndarray) -> None:
        """Replaces them in `images` [n, H, W, C], in place."""
        images[self.at] = self.pool.images(self.index)


def pools(outside: Data, key: str, data: Data, share: float) -> dict[str, Pool]:
    """The pools of the training and the validation split of `data`; `key` identifies `outside`.

    Where `outside` has no validation images, a `share` of its training images is for the validation split. Raises
    DataError where images of the source are images of the task.
    """
    shared = sum(
        int(np.isin(theirs.fingerprints, ours.fingerprints).sum())
        for theirs in _parts(outside)
        for ours in (*_parts(data), data.test)
        if theirs.images.shape[1:] == ours.images.shape[1:]
    )
    if shared > SHARED * sum(map(len, _parts(outside))):
        raise DataError(
            f"{shared} images of the source {outside.name} are images of {data.name}, so that they are of the task; "
            "expected another data set, or classes that the task leaves out (without=... there, only=... in the source)"
        )
    height, width, channels = data.train.images.shape[1:]
    shape = (height, width, channels)
    said = "x".join(map(str, shape))
    chosen: Mapping[str, tuple[Arrays, str, np.ndarray | None]]
    if outside.val is not None:
        chosen = {"train": (outside.train, "train", None), "val": (outside.val, "val", None)}
    else:
        rest, part = stratified_split(outside.train.labels, share, seed_for("outside", key))
        chosen = {"train": (outside.train, "train", rest), "val": (outside.train, "train", part)}
    return {
        split: Pool(arrays.images, shape, f"{key}-{said}/{name}", index)
        for split, (arrays, name, index) in chosen.items()
    }


def about(outside: Data, data: Data) -> str:
    """How the images of the source are converted, in one line."""
    (h, w, c), (height, width, channels) = outside.train.images.shape[1:], data.train.images.shape[1:]
    done = []
    if (h, w) != (height, width):
        done.append(f"resized from {w}x{h} to {width}x{height} px")
    if c != channels:
        done.append("made gray" if channels == 1 else "gray in three channels")
    return f"images of no class of the task come from {outside.name}" + (f", {' and '.join(done)}" if done else "")


def converted(images: np.ndarray, shape: Shape) -> np.ndarray:
    """`images` [m, h, w, c] uint8 in `shape`: bicubic, gray by the luma of ITU-R 601, gray repeated to RGB."""
    height, width, channels = shape
    if images.shape[1:] == shape:
        return np.asarray(images)
    from PIL import Image

    mode = "L" if channels == 1 else "RGB"
    result = np.empty((len(images), *shape), dtype=np.uint8)
    for place, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert(mode)
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        result[place] = np.asarray(picture).reshape(shape)
    return result


def _parts(data: Data) -> list[Arrays]:
    return [part for part in (data.train, data.val) if part is not None]
