"""Golden cases of transition matrices and of the losses that they correct (results as in `stateful`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from methods import backward, dual_t, forward, t_revision, volminnet
from methods._transition import anchor_rows, forward_nll, row_normalize
from methods.base import Method
from tests.golden.cases import Case, Result, exact, grads, leaf, paper, reference, steps
from tests.golden.harness import batch_of, loss_and_grad, make, tensors
from tests.golden.reference import both_forms, clamped


def correction_case(method_cls: type[Method]) -> Callable[[Case], Result]:
    def run(case: Case) -> Result:
        (logits,), (y,) = exact(case, "logits"), tensors(case, "labels")
        method = make(method_cls, K=logits.shape[1], N=len(y))
        matrix = torch.tensor(case["config"]["T"], dtype=torch.float64)
        method.adopt(matrix)
        note = "forward in log space, the reference clips p at 1e-7"
        result = paper(loss_and_grad(method, logits, y), note)
        if method_cls is forward.Forward:
            rows = clamped(lambda p, onehot, z: -((p @ matrix) * onehot).sum(1).log(), 1e-7, 1 - 1e-7)
            result |= both_forms(rows, logits, y)
        return result

    return run


def revising(case: Case, matrix: Tensor, form: str, epoch: int) -> Method:
    """T-Revision with T, in the first phase (epoch 0) or the second (epoch 9)."""
    method = make(t_revision.TRevision, {"form": form}, K=len(matrix), N=64, epoch=epoch)
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
    for form, prefix in (("reference", ""), ("paper", "corrected_")):
        method, z = revising(case, matrix, form, 9), leaf(logits)
        method.correction.data.copy_(correction)
        loss = method.loss(z, batch_of(y))
        found = grads(loss, grad_logits=z, grad_correction=method.correction)
        outputs |= {prefix + name: value for name, value in found.items()}
        outputs[prefix + "loss"] = loss.item() if prefix else [loss.item()]
    z = leaf(logits)
    constant = revising(case, matrix + correction, "paper", 0).loss(z, batch_of(y))
    outputs |= {"loss_v2": constant.item(), "grad_logits_v2": grads(constant, z=z)["z"]}
    outputs["grad_correction_v2"] = "None"
    return paper(outputs, 'corrected_* by default; the first version with form = "reference"')


def revision_steps(case: Case) -> Result:
    given, (matrix,) = case["config"], exact(case, "T")
    method = revising(case, matrix, "reference", 9)
    options = {"lr": given["lr_revision"], "weight_decay": given["weight_decay"]}
    optimizer = torch.optim.Adam([method.correction], **options)
    out = []
    for step in steps(case):
        z = leaf(step["logits"])
        loss = method.loss(z, batch_of(step["labels"]))
        found = grads(loss, grad_logits=z)
        method.kit.update(loss, optimizer)
        out.append({"loss": [loss.item()], **found, "correction": method.correction.tolist()})
    return reference({"steps": out}, 'form = "reference", which accumulates the correction over the batch')


def percentile(given: dict[str, Any]) -> float | None:
    return given["percentile"] if given["filter_outlier"] else None


def anchor_case(case: Case) -> Result:
    (p,) = exact(case, "probs")
    rows = anchor_rows(p, percentile(case["config"]), in_place=True)
    note = "in_place_filter = true; norm_official divides columns by the sums of rows, which no method does"
    return reference({"T": rows.tolist(), "norm_correct": row_normalize(rows).tolist()}, note)


def norm_case(case: Case) -> Result:
    (matrix,) = exact(case, "T")
    note = "norm_official divides columns by the sums of rows, which no method does"
    return paper({"norm_correct": row_normalize(matrix).tolist()}, note)


def dual_t_case(case: Case) -> Result:
    (logits,), (y,) = exact(case, "logits"), tensors(case, "labels")
    predicted = logits.topk(1).indices.squeeze(1)  # ties fall as in the reference
    club = anchor_rows(logits.softmax(1), percentile(case["config"]), in_place=True)
    counts = dual_t.count_matrix(predicted, y, logits.shape[1])
    spade = counts / counts.sum(1, keepdim=True).clamp(min=1)
    outputs = {
        "T_spadesuit": spade.tolist(),
        "T_clubsuit": club.tolist(),
        "dual_T": (club @ spade).tolist(),
    }
    note = "in_place_filter = true, before the rows are made to sum to 1 (identity rows for empty ones)"
    return reference(outputs, note)


def volminnet_case(case: Case) -> Result:
    given, classes = case["config"], len(case["inputs"]["T0"])
    config = {
        "lam": given["lam"],
        "init": given["init"],
        "lr": given["lr_T"],
        "momentum": given["momentum"],
        "optimizer": given["optimizer"],
    }
    method = make(volminnet.VolMinNet, config, K=classes)
    out = []
    for step in steps(case):
        z, y = leaf(step["logits"]), step["labels"]
        loss = method.loss(z, batch_of(y))
        ce = forward_nll(z.log_softmax(1), method.transition(), y).mean()
        parts = {"ce_loss": ce.item(), "vol_loss": method.transition().slogdet().logabsdet.item()}
        found = grads(loss, grad_logits=z)
        method.kit.update(loss, method.optimizer_t)
        state = {"w": method.w.tolist(), "T": method.transition().tolist()}
        out.append({"loss": loss.item(), **parts, **found, **state})
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
