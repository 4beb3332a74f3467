"""The option of a data set that normalizes the colors of H&E stains."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Arrays, Data, DataError, Dataset, ExtraTest, Settings
from benchmark.datasets.stain import Normalization, normalized


class StainOption(Settings):
    added_later: ClassVar = frozenset({"stain"})

    stain: Normalization | None = None
    """Colors of H&E-stained tissue become those of a published reference image: reinhard (2001) or macenko (2009)."""


class Stained(Dataset):
    """A data set whose configuration has a `StainOption`."""

    def raw(self) -> Self:
        if self.cfg.stain is None:
            return self
        return type(self)(self.name, self.cfg.model_copy(update={"stain": None}), self.root)

    def preprocess(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        by: Normalization | None = self.cfg.stain
        if by is None:
            return images
        if images.shape[3] != 3:
            raise DataError(
                f"{self.label}: stain = {by} normalizes the colors of stained tissue, and these images are gray; leave "
                "the option out"
            )
        return normalized(images, by)

    def with_stains(self, data: Data) -> Data:
        """`data` with the stains of all splits normalized, where that is asked for."""
        if self.cfg.stain is None:
            return data
        return replace(
            data,
            train=self._normalized(data.train),
            val=None if data.val is None else self._normalized(data.val),
            test=self._normalized(data.test),
            notes=(*data.notes, self._note),
        )

    def test_with_stains(self, test: ExtraTest) -> ExtraTest:
        """As `with_stains`, of a test set."""
        if self.cfg.stain is None:
            return test
        return replace(test, test=self._normalized(test.test), notes=(*test.notes, self._note))

    def _normalized(self, part: Arrays) -> Arrays:
        return replace(part, images=self.preprocess(part.images), stored_fingerprints=None)

    @property
    def _note(self) -> str:
        return f"stains are normalized, each image by itself ({self.cfg.stain}); extra test sets need the same option"
