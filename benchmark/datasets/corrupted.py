"""Corrupted copies of the test images of any data set: what `corruption` does, at up to five severities."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, field_validator

from benchmark.datasets import corruption
from benchmark.datasets._texts import Texts, texts
from benchmark.datasets.base import Arrays, CorruptedCopies, CorruptedCopy, CorruptedTests, DataError, Settings
from benchmark.datasets.corruption import COLOR_ONLY, COMMON, NAMES, SEVERITIES, Figures
from benchmark.store.digests import canonical, of_listing


class Corrupted(CorruptedTests):
    """Copies of the test images with the corruptions of MedMNIST-C (Di Salvo et al. 2024), as an extra test set."""

    names: ClassVar[tuple[str, ...]] = ("corrupted",)

    class Config(Settings):
        kinds: Texts = ()
        """Corruptions, [pixelate,gaussian_noise] or pixelate+gaussian_noise; all of them where it is left out."""
        severities: Annotated[tuple[int, ...], BeforeValidator(texts)] = SEVERITIES
        """Of 1 to 5: [1,3,5] or 1+3+5."""
        like: str = COMMON
        """A data set of MedMNIST-C, such as bloodmnist, whose corruptions and strengths are taken; `common`: those for
        any data set."""
        seed: int = Field(0, ge=0)

        @field_validator("severities")
        @classmethod
        def _check_severities(cls, value: tuple[int, ...]) -> tuple[int, ...]:
            if not value or not set(value) <= set(SEVERITIES) or len(set(value)) < len(value):
                raise ValueError("expected different numbers from 1 (weakest) to 5, such as [1,3,5]")
            return tuple(sorted(value))

        @field_validator("like")
        @classmethod
        def _check_like(cls, value: str) -> str:
            if value not in corruption.severities():
                raise ValueError(f"expected one of {', '.join(corruption.severities())}")
            return value

        @field_validator("kinds")
        @classmethod
        def _check_kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
            unknown = [name for name in value if name not in NAMES]
            if unknown:
                raise ValueError(f"there is no corruption {unknown[0]!r}; expected some of {', '.join(NAMES)}")
            if len(set(value)) < len(value):
                raise ValueError("a corruption is named twice")
            return tuple(sorted(value, key=NAMES.index))

    @property
    def _chosen(self) -> dict[str, list[Figures]]:
        """Corruption -> the figures of its severities. Raises DataError where a kind is not one of `like`."""
        known = corruption.severities()[self.cfg.like]
        lacking = [kind for kind in self.cfg.kinds if kind not in known]
        if lacking:
            raise DataError(
                f"MedMNIST-C has no corruption {lacking[0]!r} of {self.cfg.like}; expected some of {', '.join(known)}, "
                f"or leave like out"
            )
        return {kind: known[kind] for kind in self.cfg.kinds or known}

    def digest(self) -> str:
        """Of the corruptions and their figures."""
        listed = ((kind, canonical(figures).decode()) for kind, figures in self._chosen.items())
        return of_listing(listed, header=str(self.version))

    def of(self, test: Arrays, name: str) -> CorruptedCopies:
        gray = test.images.shape[3] == 1
        chosen = self._chosen
        useless = [kind for kind in chosen if gray and kind in COLOR_ONLY]
        if useless and self.cfg.kinds:
            raise DataError(
                f"the corruption {useless[0]} changes colors, and the images of {name} are gray; leave it out of kinds"
            )
        notes = [f"{' and '.join(useless)} left out, as the images of {name} are gray"] if useless else []
        copies = [
            CorruptedCopy(
                kind=kind,
                severity=severity,
                key=f"{self.name}-{self.version}-{kind}-{canonical(figures[severity - 1]).decode()}-{self.cfg.seed}",
                images=partial(_made, kind=kind, figures=figures[severity - 1], seed=self.cfg.seed),
            )
            for kind, figures in chosen.items()
            if kind not in useless
            for severity in self.cfg.severities
        ]
        return CorruptedCopies(tuple(copies), tuple(notes))


def _made(images: NDArray[np.uint8], *, kind: str, figures: Figures, seed: int) -> NDArray[np.uint8]:
    return corruption.corrupted(images, kind, figures, seed)
