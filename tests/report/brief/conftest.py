"""Facts of a small study, and a browser to look at their page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.report.brief.facts import (
    DataFacts,
    Doubtful,
    Facts,
    LabelFacts,
    MethodFacts,
    ReaderFacts,
    Reading,
    Recognition,
    Share,
)
from benchmark.report.layouts.advice import Advice

CLASSES = ("benign", "malignant")
NAN = float("nan")


def read(advice: Advice, *tests: tuple[str, float]) -> MethodFacts:
    classes = pd.DataFrame(
        {
            "class": CLASSES,
            "images": [50, 30],
            "sensitivity": [0.9, 0.6],
            "sensitivity_low": [0.8, 0.4],
            "sensitivity_high": [0.95, 0.75],
            "ppv": [0.8, 0.7],
            "ppv_low": [0.7, 0.5],
            "ppv_high": [0.9, 0.85],
        }
    )
    recognised = [Recognition(name, 80, 20, Share(right, right - 0.1, right + 0.1), classes) for name, right in tests]
    bands = pd.DataFrame(
        {
            "from": [0.5, 0.9],
            "to": [0.7, 0.99],
            "images": [20, 60],
            "certain": [0.6, 0.95],
            "right": [0.6, 0.75],
            "low": [0.4, 0.6],
            "high": [0.8, 0.85],
        }
    )
    about = {"plain": "Usual training", "better": "A better one (Who, Where 2020)"}
    return MethodFacts(
        advice,
        "better",
        about,
        "small",
        "train -m better",
        "",
        ("a1", "b2"),
        tuple(recognised),
        bands,
        sure=0.86,
        other_runs=3,
    )


@pytest.fixture
def advice() -> Advice:
    methods = pd.DataFrame(
        {
            "score": [0.8, 0.75],
            "gain": [0.05, 0.0],
            "low": [0.01, 0.0],
            "high": [0.09, 0.0],
            "best": [0.97, 0.03],
            "chosen": [True, False],
        },
        index=["better", "plain"],
    )
    return Advice("", "accuracy", "plain", 120, 2, 0.1, (0.05, 0.15), "", methods, 0.005, 100, "train -m {method}")


@pytest.fixture
def facts(advice: Advice) -> Facts:
    counts = pd.DataFrame({"train": [60, 40], "test": [50, 30]}, index=list(CLASSES))
    sites = pd.DataFrame({"train": [100], "test": [80]}, index=["North"])
    left_out = ("1 file(s): not an image (scan_9.png)",)
    data = DataFacts("skin", counts, {"train": 30, "test": 20}, 50, sites, "8 bits", left_out, ("a remark",))
    pairs = pd.DataFrame({"given": ["benign"], "likely": ["malignant"], "labels": [12.4], "low": [3.0], "high": [20.6]})
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    worst = (Doubtful(image, "north/scan_1.png", "benign", "malignant"),)
    labels = LabelFacts(180, ("train", "test"), Share(0.1, 0.05, 0.15), "", pairs, worst, "suspects.csv", {"keep": 7})
    curve = pd.DataFrame({"read": [9, 18], "random": [0.9, 1.8], "perfect": [9.0, 18.0]})
    table = {"reader": ["Dr A", "Dr B"], "images": [90, 80], "differ": [0.2, 0.1], "wrong": [0.12, NAN]}
    readers = pd.DataFrame({**table, "low": [0.05, NAN], "high": [0.2, NAN]})
    agree = ReaderFacts(Share(0.7, 0.6, 0.8), 75, readers, ("Dr B gave no other class than benign",))
    methods = read(advice, ("test", 0.8), ("South", 0.55))
    return Facts(data, labels, agree, Reading(curve), methods, (), ("made today",))
