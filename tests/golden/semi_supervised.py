"""Golden cases of DivideMix and ELR+, read from what their real `plan` and `step` computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from benchmark.checks.golden import Case, Result, Within
from methods import dividemix, elr_plus
from tests.golden.cases import exact, leaf, paper, sent_back, steps
from tests.golden.harness import GivenLogits, TinyData, batch_of, make, recorded, tensors
from tests.golden.omitted import gmm_deviation


def elr_plus_case(case: Case) -> Result:
    given, rows = case["config"], case["outputs"]["steps"][0]["pred_hist"]
    config = {"beta": given["beta"], "lam": given["lambda"], "ramp": 1.0 if given["coef_step"] else 0.0}
    epochs = given["coef_step"] or 10
    method = make(elr_plus.ELRPlus, config, K=len(rows[0]), N=len(rows), epochs=epochs, steps_per_epoch=1)
    out = []
    for step in steps(case):
        z, mix, weight = leaf(step["logits"]), step["mix_index"], step["mixup_l"]
        method.net, method.average2 = GivenLogits(z), GivenLogits(step["ema_logits"])
        method.count[0] = int(step["iteration"]) - 1
        turn = elr_plus._Turn(**vars(batch_of(step["labels"], step["index"])), turn=0)
        with (
            patch.object(elr_plus, "beta_weight", lambda alpha, weight=weight: weight),
            patch.object(torch, "randperm", lambda n, mix=mix, **options: mix),
            patch.object(method.average, "update"),  # given logits have no weights
            recorded(method, "mixed_loss") as losses,
        ):
            result = method.step(turn)
        out.append(
            {
                "loss": result["loss"].item(),
                "grad_logits": sent_back(z).tolist(),
                "pred_hist": method.target[0].tolist(),
                "q": losses[0].args[2].tolist(),
            }
        )
    return paper({"steps": out}, "epochs of one step")


# ---- DivideMix ---------------------------------------------------------------------------------------------


def binary_logits(losses: Tensor) -> Tensor:
    """[N, 2] logits whose cross entropy with label 0 is `losses` [N]."""
    return torch.stack([torch.zeros_like(losses), losses.expm1().log()], 1)


def gmm_case(case: Case) -> Result:
    given, past = case["config"], case["inputs"]["losses_history"]
    (losses,) = exact(case, "losses")
    epochs = [torch.tensor(row, dtype=torch.float64) for row in past] if past else [losses]
    # The official code averages the last five epochs at a rate of exactly 0.9 only.
    config = {"history": 5 if given["r"] == 0.9 else 1, "threshold": given["p_threshold"]}
    method = make(dividemix.DivideMix, config, K=2, N=len(losses), epochs=len(epochs) + 1)
    method.net, method.net2 = nn.Identity(), nn.Identity()
    (first,) = method.starts()
    for number, row in enumerate(epochs):
        data = TinyData(binary_logits(row), torch.zeros(len(row), dtype=torch.int64), 2)
        method.plan(first + number, data)
    report = method.kit.reports[-1]
    outputs = {
        # Stopped before it converges, the mixture depends on the seed, by as much as the reference's own trials do.
        "prob_clean": Within(report["score"].tolist(), gmm_deviation(case)),
        "clean_mask": report["kept"].tolist(),
        "n_clean": int(report["kept"].sum()),
    }
    return paper(outputs)


def coguess_case(case: Case) -> Result:
    names = [f"logits_u_net{net}_view{view}" for net in (1, 2) for view in (1, 2)]
    guesses, seen = exact(case, *names), exact(case, "logits_x_view1", "logits_x_view2")
    (y,), (w,) = tensors(case, "labels_x"), exact(case, "w_x")
    classes = seen[0].shape[1]
    method = make(dividemix.DivideMix, {"temperature": case["config"]["T"]}, K=classes)
    mixed = torch.zeros(2 * len(y) + 2 * len(guesses[0]), classes, dtype=torch.float64, requires_grad=True)
    method.net, method.net2 = GivenLogits(*guesses[:2], *seen, mixed), GivenLogits(*guesses[2:])
    batch = pair(y, clean=w, unlabelled=len(guesses[0]))
    with recorded(dividemix, "sharpen") as calls:
        method.step(batch)
    guessed, refined = calls
    outputs = {
        "px_mixed": refined.args[0].tolist(),
        "targets_x": refined.result.tolist(),
        "pu": guessed.args[0].tolist(),
        "targets_u": guessed.result.tolist(),
    }
    return paper(outputs)


def pair(y: Tensor, clean: Tensor, unlabelled: int, ramp: float = 1.0) -> Any:
    """A batch for the first network: two views of zeros of the labelled samples and of `unlabelled` others."""
    views = torch.zeros(2, len(y), 4, dtype=torch.float64)
    others = torch.zeros(2, unlabelled, 4, dtype=torch.float64)
    return dividemix._Pair(views, y, torch.arange(len(y)), turn=0, clean=clean, unlabelled=others, ramp=ramp)


def ramped(given: dict[str, Any], classes: int = 9) -> Any:
    """DivideMix over the official 300 epochs with the case's warm-up and ramp."""
    config = {"warmup": given["warm_up"] / 300, "ramp": given["rampup_length"] / 300}
    return make(dividemix.DivideMix, config | {"lambda_u": given["lambda_u"]}, K=classes, epochs=300)


def semiloss_case(case: Case) -> Result:
    given = case["config"]
    x, target_x, u, target_u = exact(case, "logits_x", "targets_x", "logits_u", "targets_u")
    method = ramped(given, x.shape[1])
    ramp = method.ramp(given["epoch"] - given["warm_up"])
    x, u = leaf(x), leaf(u)
    # A step has two views of each sample; here they are equal, which leaves every mean as it is.
    plain = torch.zeros(len(x), x.shape[1], dtype=torch.float64)
    guesses = torch.zeros(len(u), x.shape[1], dtype=torch.float64)
    method.net = GivenLogits(guesses, guesses, plain, plain, torch.cat([x, x, u, u]))
    method.net2 = GivenLogits(guesses, guesses)
    targets = torch.cat([target_x, target_x, target_u, target_u])
    y = torch.zeros(len(x), dtype=torch.int64)
    with (
        patch.object(dividemix, "mixup", lambda inputs, _, alpha, dominant: (inputs, targets)),
        recorded(method, "semi_loss") as calls,
    ):
        result = method.step(pair(y, torch.ones(len(x), dtype=torch.float64), len(u), ramp))
    supervised, unsupervised, penalty = calls[0].result
    outputs = {
        "Lx": supervised.item(),
        "Lu": unsupervised.item(),
        "lambda_t": method.cfg.lambda_u * ramp,
        "penalty": penalty.item(),
        "loss": result["loss"].item(),
        "grad_logits_x": sent_back(x).tolist(),
        "grad_logits_u": sent_back(u).tolist(),
    }
    return paper(outputs)


def ramp_case(case: Case) -> Result:
    given = case["config"]
    method = ramped(given)
    past = [epoch - given["warm_up"] for epoch in case["inputs"]["epochs"]]
    return paper({"lambda_t": [method.cfg.lambda_u * method.ramp(value) for value in past]})


def penalty_case(case: Case) -> Result:
    """The penalty is what it adds to a step of the warm-up."""
    (logits,) = exact(case, "logits")
    y = torch.zeros(len(logits), dtype=torch.int64)

    def warmed_up(penalty: bool) -> tuple[float, Tensor]:
        method = make(dividemix.DivideMix, {"confidence_penalty": penalty}, K=logits.shape[1])
        z = leaf(logits)
        method.net, method.net2 = GivenLogits(leaf(logits)), GivenLogits(z)  # the second one's loss is returned
        return method.step(batch_of(y))["loss"].item(), sent_back(z)

    (loss, grad), (plain, plain_grad) = warmed_up(True), warmed_up(False)
    outputs = {"loss": loss - plain, "grad_logits": (grad - plain_grad).tolist()}
    return paper(outputs, "confidence_penalty = true, less the step without it")


CASES: dict[str, Callable[[Case], Result]] = {
    "elr_plus": elr_plus_case,
    "dividemix_gmm": gmm_case,
    "dividemix_coguess_corefine": coguess_case,
    "dividemix_semiloss": semiloss_case,
    "dividemix_lambda_ramp": ramp_case,
    "conf_penalty": penalty_case,
}
