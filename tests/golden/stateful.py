"""Golden cases of methods with state, selection or relabelling, read from what `plan` and `step` did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.checks.golden import Case, Result
from methods import cdr, elr, fine, pes, plc, sop
from methods.confident_learning import ConfidentLearning
from tests.golden.cases import exact, leaf, official, paper, sent_back, steps
from tests.golden.harness import GivenLogits, TinyData, batch_of, make, recorded, tensors

# ---- regularization ----------------------------------------------------------------------------------------


def elr_case(case: Case) -> Result:
    given = case["config"]
    classes = len(case["inputs"]["steps"][0]["logits"][0])
    config = {"beta": given["beta"], "lam": given["lambda"]}
    method = make(elr.ELR, config, K=classes, N=given["num_examp"])
    out = []
    for step in steps(case):
        z = leaf(step["logits"])
        method.net = GivenLogits(z)
        result = method.step(batch_of(step["labels"], step["index"]))
        out.append(
            {"loss": result["loss"].item(), "grad_logits": sent_back(z).tolist(), "targets": method.target.tolist()}
        )
    return paper({"steps": out})


def sop_case(case: Case) -> Result:
    given = case["config"]
    u, v = exact(case, "u0", "v0")
    weights = {"consistency": given["ratio_consistency"], "balance": given["ratio_balance"]}
    config = {"lr_u": given["lr_u"], "lr_v": given["lr_v"], **weights}
    method = make(sop.SOP, config, K=v.shape[1], N=len(v))
    method.u.data.copy_(u)
    method.v.data.copy_(v)
    out = []
    for step in steps(case):
        views = [step[name] for name in ("logits", "logits2") if name in step]
        z = leaf(torch.cat(views))
        method.net = GivenLogits(z)
        x = torch.zeros(len(views), len(step["labels"]), 4, dtype=torch.float64)
        result = method.step(batch_of(step["labels"], step["index"], x))
        state = {"u": method.u.tolist(), "v": method.v.tolist()}
        out.append({"loss": result["loss"].item(), "grad_logits": sent_back(z).tolist(), **state})
    return paper({"steps": out})


def cdr_case(case: Case) -> Result:
    given = case["config"]
    start = {name: torch.tensor(p, dtype=torch.float64) for name, p in case["inputs"]["params0"].items()}
    (x,), (y,) = exact(case, "x"), tensors(case, "labels")
    (wide, deep), classes = start["0.weight"].shape, len(start["2.bias"])
    net = nn.Sequential(nn.Linear(deep, wide), nn.ReLU(), nn.Linear(wide, classes)).double()
    net.load_state_dict(start)
    config = {"forget_rate": 1 - given["clip"], "weight_decay": given["weight_decay"]}
    kit = {"lr": given["lr"], "momentum": given["momentum"], "networks": {"net": net}}
    method = make(cdr.CDR, config, K=classes, N=len(y), **kit)
    result = method.step(batch_of(y, x=x[None]))
    params = {name: p.tolist() for name, p in method.net.named_parameters()}
    outputs = {"loss": result["loss"].item(), "acc": 100 * result["accuracy"].item(), "params": params}
    return paper(outputs, "nonzero_ratio and clip are both 1 - tau, as the official training sets them")


# ---- splits and labels -------------------------------------------------------------------------------------


def planned(method: Any, data: TinyData, phase: str) -> dict[str, Tensor]:
    """What `plan` reports, as {kept, score, label}, in the first epoch of the phase."""
    epoch = next(epoch for epoch in range(method.kit.epochs) if method.phase(epoch) == phase)
    method.plan(epoch, data)
    report = method.kit.reports[-1]
    assert report["index"].equal(torch.arange(len(data)))
    return report


class Logarithm(nn.Module):
    """A network for inputs that are probabilities: their logarithms are its logits."""

    def forward(self, p: Tensor) -> Tensor:
        return p.log()


class Unchanged(nn.Module):
    """A network whose features are its inputs."""

    def features(self, x: Tensor) -> Tensor:
        return x


def pes_case(case: Case) -> Result:
    (p,), (y,) = exact(case, "probs"), tensors(case, "labels")
    method = make(pes.PES, K=p.shape[1], N=len(y))
    method.net = Logarithm()
    kept = planned(method, TinyData(p, y, p.shape[1]), "confident")["kept"]
    index = torch.arange(len(y))
    return paper({"confident": index[kept].tolist(), "unconfident": index[~kept].tolist()})


def fine_case(case: Case) -> Result:
    (features,), (y,) = exact(case, "features"), tensors(case, "labels")
    classes = int(y.max()) + 1
    config = {"score": "absolute", "threshold": case["config"]["p_threshold"]}
    method = make(fine.FINE, config, K=classes, N=len(y))
    method.net = Unchanged()
    with recorded(method, "scores") as calls:
        kept = planned(method, TinyData(features, y, classes), "select")["kept"]
    by_class = y.argsort(stable=True)
    outputs = {"scores": calls[0].result.tolist(), "clean_gmm": by_class[kept[by_class]].tolist()}
    return official(outputs, 'score = "absolute"')


def plc_case(case: Case) -> Result:
    given = case["config"]
    (p,), (y,) = exact(case, "probs"), tensors(case, "labels")
    config = {"delta": given["current_delta"], "increment": given["delta_increment"]}
    method, data = make(plc.PLC, config, K=p.shape[1], N=len(y)), TinyData(p, y, p.shape[1])
    method.plan(0, data)
    for epoch in range(len(method.history.probabilities)):
        method.history.record(epoch, torch.arange(len(y)), p)
    label = planned(method, data, "correct")["label"]
    outputs = {
        "corrected": label.tolist(),
        "n_changed": int((label != y).sum()),
        "new_delta": method.delta.item(),
    }
    return paper(outputs)


def cleanlab_case(case: Case) -> Result:
    (p,), (y,) = exact(case, "pred_probs"), tensors(case, "labels")
    method = make(ConfidentLearning, K=p.shape[1], N=len(y), probabilities=p)
    report = planned(method, TinyData(p, y, p.shape[1]), "train")
    outputs: dict[str, Any] = {
        "issues_prune_by_noise_rate": (~report["kept"]).nonzero().squeeze(1).tolist(),
        "quality_self_confidence": report["score"].tolist(),
    }
    return paper(outputs, "the other figures are of filters and scores of cleanlab that are not used")


CASES: dict[str, Callable[[Case], Result]] = {
    "elr": elr_case,
    "sop": sop_case,
    "sop_plus": sop_case,
    "cdr_step": cdr_case,
    "pes_split": pes_case,
    "fine": fine_case,
    "plc_lrt": plc_case,
    "confident_learning": cleanlab_case,
}
