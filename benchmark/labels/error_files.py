"""What was found of labels and raters, as files: tables as CSV, and all of it as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from benchmark.labels.agreement import Agreement
from benchmark.labels.label_errors import LabelErrors, Truth
from benchmark.labels.raters import Judgement, Raters
from benchmark.noise.rate_estimate import RateEstimate
from benchmark.store.atomic import write_atomically
from benchmark.store.spreadsheet import to_csv


def write_tables(
    folder: Path,
    errors: LabelErrors,
    agreement: Agreement | None,
    raters: Raters | None,
    truth: Truth | None,
    classes: Sequence[str],
) -> None:
    """folder/summary.json, and classes.csv, confusions.csv, agreement.csv, raters.csv and rater_confusions.csv where
    there is something to tell.

    folder/transitions.json holds the T of the raters by their consensus, as the noise of several raters reads it;
    raters without images of some class are left out of it.
    """
    tables: dict[str, pd.DataFrame | None] = {"classes": errors.given, "confusions": errors.confusions}
    summary: dict[str, Any] = {"labels": errors.labels, "rate": _rate(errors.rate)}
    if agreement is not None:
        alpha = agreement.alpha
        tables["agreement"] = agreement.pairs
        summary["agreement"] = {
            "images_of_two_or_more": agreement.images,
            "alpha": alpha.value,
            "interval": [alpha.low, alpha.high],
        }
    if raters is not None:
        tables |= {"raters": _table(raters), "rater_confusions": _confusions(raters, classes)}
        summary["raters"] = {
            "names": list(raters.names),
            "consensus": None if raters.consensus is None else raters.consensus.kind,
            "by_networks": {name: _rate(one) for name, one in zip(raters.names, raters.by_networks, strict=True)},
            "notes": list(raters.notes),
        }
        if raters.by_consensus is not None:
            whole = {
                name: matrix.tolist()
                for name, matrix in zip(raters.names, raters.by_consensus.transitions, strict=True)
                if np.isfinite(matrix).all()
            }
            write_atomically(folder / "transitions.json", orjson.dumps(whole, option=orjson.OPT_INDENT_2))
    if truth is not None:
        summary["truth"] = {
            "rate": truth.rate,
            "covered": truth.covered,
            "first": truth.first,
            "among_first": truth.among_first,
            "classes_covered": truth.given_covered,
            "classes_told": truth.given_told,
        }
    for name, table in tables.items():
        if table is not None and len(table):
            write_atomically(folder / f"{name}.csv", to_csv(table))
    # NaN becomes null.
    write_atomically(folder / "summary.json", orjson.dumps(summary, option=orjson.OPT_INDENT_2))


def _rate(rate: RateEstimate) -> dict[str, Any]:
    return {"estimate": None if rate.doubt else rate.rate, "interval": rate.interval, "doubt": rate.doubt}


def _references(raters: Raters) -> dict[str, Judgement]:
    both = {"consensus": raters.by_consensus, "truth": raters.by_truth}
    return {name: one for name, one in both.items() if one is not None}


def _table(raters: Raters) -> pd.DataFrame:
    """One row per rater."""
    table = pd.DataFrame({"rater": list(raters.names), "differs_from_labels": list(raters.differ)})
    for name, one in _references(raters).items():
        parts = one.table.drop(columns="rater")
        table = table.join(parts.rename(columns={column: f"{name}_{column}" for column in parts}))
    networks = [(np.nan if one.doubt else one.rate, one.low, one.high, one.doubt or "") for one in raters.by_networks]
    columns = ["networks_wrong", "networks_low", "networks_high", "networks_doubt"]
    return table.join(pd.DataFrame(networks, columns=columns))


def _confusions(raters: Raters, classes: Sequence[str]) -> pd.DataFrame:
    """One row per reference, rater, true and given class."""
    rows = [
        (reference, rater, true, given, matrix[i, j])
        for reference, one in _references(raters).items()
        for rater, matrix in zip(raters.names, one.transitions, strict=True)
        for i, true in enumerate(classes)
        for j, given in enumerate(classes)
    ]
    return pd.DataFrame(rows, columns=["reference", "rater", "true", "given", "share"])
