"""Golden cases of methods that learn from a clean set: weights, losses, networks after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from benchmark.checks.golden import Case, Result
from methods.base import Hints, Method
from methods.l2rw import L2RW
from methods.meta_weight_net import MetaWeightNet
from tests.golden.cases import exact, paper
from tests.golden.harness import Call, TinyData, make, recorded, tensors


def stepped(case: Case, method: Any) -> Iterator[tuple[Any, Call, Call]]:
    """Runs all epochs; after each step, the method and its calls of `loss_after` and `weigh`."""
    (x,), (y,) = exact(case, "x"), tensors(case, "labels")
    data = TinyData(x, y, method.kit.num_classes, size=case["config"]["batch_size"])
    with recorded(method, "loss_after") as meta, recorded(method, "weigh") as weighed:
        for epoch in range(case["config"]["epochs"]):
            method.epoch = epoch
            for batch in method.plan(epoch, data):
                loss = method.step(batch)["loss"].item()
                yield loss, meta[-1], weighed[-1]


def built(plugin: type[Method], case: Case) -> Any:
    """The method with the recorded clean set, learning rate and initial weights."""
    given = case["config"]
    (x, clean), (labels,) = exact(case, "x", "x_clean"), tensors(case, "labels_clean")
    classes = int(labels.max()) + 1
    hints = Hints(given_clean_set=TinyData(clean, labels, classes, size=given["meta_batch_size"]))
    recipe = {name: given[name] for name in ("lr", "momentum", "weight_decay") if name in given}
    official = 58_800  # steps: with as many, V of Meta-Weight-Net has the official learning rate
    run = {"epochs": given["epochs"], "steps_per_epoch": official}
    method = make(plugin, K=classes, N=len(x), hints=hints, **run, **recipe)
    load(method.net, case["inputs"]["params0"])
    return method


def load(network: nn.Module, values: dict[str, Any]) -> None:
    network.load_state_dict({name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()})


def state(network: nn.Module) -> dict[str, Any]:
    return {name: parameter.tolist() for name, parameter in network.state_dict().items()}


def l2rw_case(case: Case) -> Result:
    method = built(L2RW, case)
    return paper(
        {
            "steps": [
                {
                    "loss": loss,
                    "meta_loss": meta.result.item(),
                    "weights": weighed.result.tolist(),
                    "params": state(method.net),
                }
                for loss, meta, weighed in stepped(case, method)
            ]
        }
    )


V_LAYERS = {"linear1": "0", "linear2": "2"}
"""Layers of V in the official code -> in ours."""


def meta_weight_net_case(case: Case) -> Result:
    method = built(MetaWeightNet, case)
    ours = {
        official: official.replace(layer, V_LAYERS[layer])
        for official in case["inputs"]["vnet0"]
        for layer in [official.partition(".")[0]]
    }
    load(method.weight_net, {ours[name]: value for name, value in case["inputs"]["vnet0"].items()})
    return paper(
        {
            "steps": [
                {
                    "loss": loss,
                    "meta_loss": meta.result.item(),
                    # Ours are divided by the size of the batch, which the code does in the loss.
                    "weights": (weighed.result * case["config"]["batch_size"]).tolist(),
                    "params": state(method.net),
                    "vnet": {name: state(method.weight_net)[ours[name]] for name in ours},
                }
                for loss, meta, weighed in stepped(case, method)
            ]
        }
    )


CASES: dict[str, Callable[[Case], Result]] = {"l2rw": l2rw_case, "meta_weight_net": meta_weight_net_case}
