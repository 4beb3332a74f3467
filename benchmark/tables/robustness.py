"""How much methods lose on corrupted copies of the test set: tables of the same runs, on the test set and on copies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.store.content import Record
from benchmark.tables import corrupted
from benchmark.tables.comparable import TableError
from benchmark.tables.comparison import CELL, Block, Table
from benchmark.tables.statistics import paired_difference


@dataclass(frozen=True)
class Scored:
    """Tables of the same runs by the same rule and metric, whose blocks correspond."""

    clean: Table
    """On the test set."""
    whole: Table
    """Means over all copies."""
    severities: Mapping[int, Table]
    """Means over the kinds of each severity."""
    kinds: Mapping[str, Table]
    """Means over the severities of each corruption."""

    @property
    def tables(self) -> list[Table]:
        return [self.clean, *self.severities.values(), self.whole, *self.kinds.values()]


def chosen(records: Sequence[Record], name: str | None) -> str:
    """The name of the extra test set whose copies are shown: the only one, where `name` is None. Raises TableError."""
    known = list(corrupted.names(records))
    if not known:
        raise TableError(
            "no run was scored on corrupted copies of its test set; `noisybench run ... --extra-test corrupted` trains "
            "runs that are"
        )
    if name is None and len(known) == 1:
        return known[0]
    if name not in known:
        said = "there are several sets of corrupted copies" if name is None else f"there are no copies {name!r}"
        raise TableError(f"{said}; expected one of {', '.join(known)} (--extra)")
    return name


def copies(records: Iterable[Record], name: str) -> tuple[list[int], list[str]]:
    """Severities, ascending, and kinds, in the order of the records, of the copies under `name`."""
    found = [of_run[name] for record in records if name in (of_run := record.get("corrupted_tests") or {})]
    severities = sorted({severity for one in found for severity in one["severity"]})
    return severities, list(dict.fromkeys(kind for one in found for kind in one["kind"]))


def drops(clean: Block, other: Block) -> pd.DataFrame:
    """Per (method, noise) how much worse its runs are in `other` than in `clean`: n, units, mean, sd, half, as of
    `statistics.summarize`. Positive is worse."""
    left, right = (block.runs[[*CELL, "seeds", "unit", "value"]].dropna(subset="value") for block in (clean, other))
    if clean.metric in LOWER_IS_BETTER:
        left, right = right, left
    return paired_difference(left, right, on=[*CELL, "seeds"], by=CELL)


def relative_errors(clean: Block, whole: Block, kinds: Sequence[Block], baseline: str) -> pd.DataFrame:
    """Per (method, noise), of means over seeds:

    error: error divided by the baseline's, mean over corruptions; with balanced accuracy the BE of MedMNIST-C (Di Salvo
        et al., 2024), but for the baseline, which is an AlexNet there;
    relative: drop from the test set divided by the baseline's, both over all copies. Its rBE is a mean of such
        quotients over corruptions: one from which the baseline loses next to nothing would decide it.

    NaN where a kind has no value, and where the baseline has no error or loses nothing.
    """
    ratios = [(errors := _errors(block)) / errors.loc[baseline].where(lambda error: error > 0) for block in kinds]
    drop = _errors(whole) - _errors(clean)
    relative = drop / drop.loc[baseline].where(lambda lost: lost > 0)
    frames = {"error": sum(ratios) / len(ratios), "relative": relative}
    return pd.DataFrame({name: frame.stack(future_stack=True) for name, frame in frames.items()})


def _errors(block: Block) -> pd.DataFrame:
    """[methods, noise] mean errors: one minus the metric, or the metric where lower is better."""
    means = block.cells["mean"].unstack("noise")
    return means if block.metric in LOWER_IS_BETTER else 1 - means
