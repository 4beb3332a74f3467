"""Golden cases of transition matrices and of the losses that they correct."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmark.checks.golden import Case, Result
from methods import backward, dual_t, forward, t_revision, volminnet
from methods._transition import TransitionMethod, row_normalize
from methods.base import Method
from tests.golden.cases import exact, grads, leaf, official, paper, sent_back, steps
from tests.golden.harness import GivenLogits, TinyData, batch_of, loss_and_grad, make, recorded, tensors
from tests.golden.reference import both_forms, clamped


def correction_case(method_cls: type[Method]) -> Callable[[Case], Result]:
    def run(case: Case) -> Result:
        (logits,), (y,) = exact(case, "logits"), tensors(case, "labels")
        method = make(method_cls, K=logits.shape[1], N=len(y))
        matrix = torch.tensor(case["config"]["T"], dtype=torch.float64)
        method.adopt(matrix)
        outputs = loss_and_grad(method, logits, y)
        if method_cls is not forward.Forward:
            return paper(outputs)
        rows = clamped(lambda p, onehot, z: -((p @ matrix) * onehot).sum(1).log(), 1e-7, 1 - 1e-7)
        return paper(outputs, "in log space, the reference clips p at 1e-7", **both_forms(rows, logits, y))

    return run


def revising(case: Case, matrix: Tensor, form: str, epoch: int, **config: Any) -> Any:
    """T-Revision with T, in the first phase (epoch 0) or the second (from epoch 200 of 400, as published)."""
    kit: dict[str, Any] = {"epochs": 400, "steps_per_epoch": 352}
    method = make(t_revision.TRevision, {"form": form, **config}, K=len(matrix), N=64, epoch=epoch, **kit)
    method.T.copy_(matrix)
    return method


def reweight_case(case: Case) -> Result:
    (logits, matrix), (y,) = exact(case, "logits", "T"), tensors(case, "labels")
    z = leaf(logits)
    loss = revising(case, matrix, "paper", 0).loss(z, batch_of(y))
    grad = grads(loss, z=z)["z"]
    return paper({"loss": [loss.item()], "grad_logits": grad, "loss_v2": loss.item(), "grad_logits_v2": grad})


def revision_case(case: Case) -> Result:
    (logits, matrix, correction), (y,) = exact(case, "logits", "T", "correction"), tensors(case, "labels")
    outputs: dict[str, Any] = {}
    for form, prefix in (("official", ""), ("paper", "corrected_")):
        method, z = revising(case, matrix, form, 200), leaf(logits)
        method.correction.data.copy_(correction)
        loss = method.loss(z, batch_of(y))
        found = grads(loss, grad_logits=z, grad_correction=method.correction)
        outputs |= {prefix + name: value for name, value in found.items()}
        outputs[prefix + "loss"] = loss.item() if prefix else [loss.item()]
    z, method = leaf(logits), revising(case, matrix + correction, "paper", 0)
    constant = method.loss(z, batch_of(y))
    (none,) = torch.autograd.grad(constant, method.correction, retain_graph=True, allow_unused=True)
    outputs |= {
        "loss_v2": constant.item(),
        "grad_logits_v2": grads(constant, z=z)["z"],
        "grad_correction_v2": str(none),
    }
    return paper(outputs, 'corrected_* by default; the first version with form = "official"')


def revision_steps(case: Case) -> Result:
    given, (matrix,) = case["config"], exact(case, "T")
    method = revising(case, matrix, "official", 200, lr_correction=given["lr_revision"])
    out = []
    for step in steps(case):
        z = leaf(step["logits"])
        method.net = GivenLogits(z)
        result = method.step(batch_of(step["labels"]))
        correction = method.correction.tolist()
        out.append({"loss": [result["loss"].item()], "grad_logits": sent_back(z).tolist(), "correction": correction})
    return official({"steps": out}, 'form = "official", which accumulates the correction over the batch')


def estimating(method_cls: type[TransitionMethod], case: Case, p: Tensor, y: Tensor) -> tuple[Any, Tensor]:
    """The method after it estimated T from the posteriors `p` [N, K] in its first epoch; its anchor rows [K, K]."""
    given, classes = case["config"], p.shape[1]
    config = {"percentile": given["percentile"] if given["filter_outlier"] else None, "in_place_filter": True}
    method = make(method_cls, config, K=classes, N=len(p), probabilities=p)
    with recorded(method, "anchors") as calls:
        method.plan(0, TinyData(torch.zeros(len(p), 4, dtype=torch.float64), y, classes))
    return method, calls[0].result


def anchor_case(case: Case) -> Result:
    (p,) = exact(case, "probs")
    method, rows = estimating(forward.Forward, case, p, torch.zeros(len(p), dtype=torch.int64))
    return official({"T": rows.tolist(), "norm_correct": method.T.tolist()}, "in_place_filter = true")


def norm_case(case: Case) -> Result:
    (matrix,) = exact(case, "T")
    return paper({"norm_correct": row_normalize(matrix).tolist()})


def ties_as_topk(logits: Tensor) -> Tensor:
    """Probabilities [N, K] of `logits`; of equal largest ones, that which topk puts first (as the reference
    does) is made the largest, by less than any tolerance."""
    first = torch.zeros_like(logits).scatter(1, logits.topk(1).indices, 1e-12)
    tied = (logits == logits.amax(1, keepdim=True)).sum(1, keepdim=True) > 1
    return logits.softmax(1) + torch.where(tied, first, 0.0)


def dual_t_case(case: Case) -> Result:
    (logits,), (y,) = exact(case, "logits"), tensors(case, "labels")
    with recorded(dual_t, "count_matrix") as calls:
        method, club = estimating(dual_t.DualT, case, ties_as_topk(logits), y)
    counts = calls[0].result
    # T = norm(club) norm(counts). The reference leaves the rows of club as they are, and empty rows of counts at 0.
    empty = counts.sum(1) == 0
    whole = club.sum(1, keepdim=True) * method.T
    whole[:, empty] -= club[:, empty]
    outputs = {
        "T_spadesuit": torch.where(empty[:, None], 0.0, row_normalize(counts)).tolist(),
        "T_clubsuit": club.tolist(),
        "dual_T": whole.tolist(),
    }
    note = "in_place_filter = true, before the rows are made to sum to 1 (identity rows for empty ones)"
    return official(outputs, note)


def volminnet_case(case: Case) -> Result:
    given, classes = case["config"], len(case["inputs"]["T0"])
    config = {
        "lam": given["lam"],
        "init": given["init"],
        "lr": given["lr_T"],
        "momentum": given["momentum"],
        "optimizer": given["optimizer"],
    }
    method = make(volminnet.VolMinNet, config, K=classes, epochs=80, steps_per_epoch=352)
    out = []
    for step in steps(case):
        z = leaf(step["logits"])
        method.net = GivenLogits(z)
        with recorded(volminnet, "forward_nll") as terms, recorded(method, "transition") as used:
            result = method.step(batch_of(step["labels"]))
        out.append(
            {
                "loss": result["loss"].item(),
                "ce_loss": terms[0].result.mean().item(),
                "vol_loss": used[0].result.slogdet().logabsdet.item(),
                "grad_logits": sent_back(z).tolist(),
                "w": method.w.tolist(),
                "T": method.transition().tolist(),
            }
        )
    return paper({"steps": out})


CASES: dict[str, Callable[[Case], Result]] = {
    "forward_correction": correction_case(forward.Forward),
    "backward_correction": correction_case(backward.Backward),
    "reweight": reweight_case,
    "revision_reweight": revision_case,
    "revision_4steps": revision_steps,
    "anchor_T": anchor_case,
    "T_norm": norm_case,
    "dual_t": dual_t_case,
    "volminnet": volminnet_case,
}
