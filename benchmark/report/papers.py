"""The figures that papers print for the methods: read from `methods/published_figures.toml`, with their protocols."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.registry import ROOT

FILE = ROOT / "methods" / "published_figures.toml"
USUAL_BASELINE = "cross entropy"


@dataclass(frozen=True)
class PaperFigures:
    """A method's row in a published table: accuracies in percent by kind of noise."""

    method: str
    source: str
    """Where the row was printed."""
    seen: str
    """What was read of the source."""
    network: str
    epochs: str
    epoch: str
    """Which epoch is reported."""
    accuracy: dict[str, float]
    baseline: str = USUAL_BASELINE
    baseline_accuracy: dict[str, float] | None = None
    """The baseline's row in the same table, if it has one."""
    also: str = ""
    """A second place with the same figures."""

    def gain(self, noise: str) -> float | None:
        """The difference to the baseline in points, where both were printed."""
        baseline = (self.baseline_accuracy or {}).get(noise)
        return None if baseline is None or noise not in self.accuracy else self.accuracy[noise] - baseline


@dataclass(frozen=True)
class Papers:
    dataset: str
    """Of all figures, as the papers call it."""
    figures: tuple[PaperFigures, ...]


def read(path: Path = FILE) -> Papers:
    """Raises UsageError where the file has other keys."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {field.name for field in fields(PaperFigures)}
    for row in content["figures"]:
        if unknown := row.keys() - known:
            raise UsageError(f"{path} has the keys {sorted(unknown)}; expected some of {sorted(known)}")
    return Papers(content["dataset"], tuple(PaperFigures(**row) for row in content["figures"]))
