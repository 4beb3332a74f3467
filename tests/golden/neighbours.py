"""Golden cases of nearest neighbours: k of every training sample, votes, what is dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from benchmark.checks.golden import Case, Result
from methods.knn import KNN
from tests.golden.cases import exact, paper
from tests.golden.harness import TinyData, make, tensors


def planned(case: Case, **config: Any) -> Any:
    """The method after the plan of its first epoch on the inputs of `case`."""
    (x,), (y,) = exact(case, "x"), tensors(case, "labels")
    classes = case["config"]["num_classes"]
    method = make(KNN, config, K=classes, N=len(y))
    list(method.plan(0, TinyData(x, y, classes)))
    return method


def reliability_case(case: Case) -> Result:
    given = case["config"]
    method = planned(case, vote="reliability", k_min=given["k_min"], k_max=given["k_max"])
    (report,) = method.kit.reports
    sizes = (1 / report["score"]).round().long()
    (x_test,) = exact(case, "x_test")
    return paper({"optimal_k": sizes.tolist(), "predictions": method.predict(x_test).argmax(1).tolist()})


def similarity_case(case: Case) -> Result:
    method = planned(case, vote="similarity", k=case["config"]["k"])
    (report,) = method.kit.reports
    dropped = (~report["kept"]).nonzero().squeeze(1)
    soft = F.normalize(method.known, dim=1)  # the shares of the votes, scaled to length 1 as in the code
    return paper({"soft_labels": soft.tolist(), "sel_noisy": torch.sort(dropped).values.tolist()})


CASES: dict[str, Callable[[Case], Result]] = {
    "knn_reliability": reliability_case,
    "knn_similarity": similarity_case,
}
