"""The optimizers of a recipe."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, optim

from backbones.base import fast_path_is_on
from benchmark.grid.spec import Recipe

_INIT_GROUP = (
    "self",
    "group",
    "params_with_grad",
    "grads",
    "exp_avgs",
    "exp_avg_sqs",
    "max_exp_avg_sqs",
    "state_steps",
)
"""Parameters of torch's private `Adam._init_group`: lists that it fills, parallel to the first one or empty."""


class _InPlace:
    """Gives the fused Adam channels-last parameters as permuted views, which are contiguous.

    On the CPU the fused step copies every tensor that is not contiguous, and copies the result back. Its
    arithmetic is elementwise, so the permuted views give the same numbers.
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> Any:
        result = super()._init_group(group, *lists)  # type: ignore[misc]
        aligned = [tensors for tensors in lists if len(tensors) == len(lists[0])]
        for i, parameter in enumerate(lists[0]):
            if parameter.dim() != 4:
                continue
            maps = [tensors for tensors in aligned if tensors[i].dim() == 4]
            if all(tensors[i].is_contiguous(memory_format=torch.channels_last) for tensors in maps):
                for tensors in maps:
                    tensors[i] = tensors[i].permute(0, 2, 3, 1)
        return result


class _Adam(_InPlace, optim.Adam):
    pass


class _AdamW(_InPlace, optim.AdamW):
    pass


def _adam(plain: type[optim.Adam], in_place: type[optim.Adam]) -> type[optim.Adam]:
    """`in_place` if its fast path is on and `_init_group` is as expected; else `plain`, which is equal but slower."""
    init_group = getattr(plain, "_init_group", None)
    known = init_group is not None and tuple(inspect.signature(init_group).parameters) == _INIT_GROUP
    return in_place if known and fast_path_is_on("adam") else plain


def make_optimizer(recipe: Recipe, params: Iterable[Any], overrides: dict[str, Any]) -> optim.Optimizer:
    """The recipe's optimizer of `params`; `overrides` may give another optimizer, lr, weight_decay, momentum."""
    known = {"optimizer", "lr", "weight_decay", "momentum"}
    if overrides.keys() - known:
        raise TypeError(f"optimizer overrides {sorted(overrides.keys() - known)}; expected some of {sorted(known)}")
    chosen = {**{key: getattr(recipe, key) for key in known}, **overrides}
    common = {"lr": chosen["lr"], "weight_decay": chosen["weight_decay"], "fused": True}
    if chosen["optimizer"] == "sgd":
        return optim.SGD(params, momentum=chosen["momentum"], **common)
    classes = {"adam": (optim.Adam, _Adam), "adamw": (optim.AdamW, _AdamW)}
    return _adam(*classes[chosen["optimizer"]])(params, **common)


def deviations(
    recipe: Recipe, optimizer: optim.Optimizer, overrides: dict[str, Any], scheduled: bool
) -> dict[str, list[Any]]:
    """Field of the recipe -> [actual value, the recipe's], where an optimizer of `make_optimizer` differs from it.

    Values are read from the parameter groups: a field that this kind of optimizer lacks is no deviation. If the
    groups differ among themselves, its own value is a list, one value per group.
    """
    actual = {"optimizer": overrides.get("optimizer", recipe.optimizer)}
    for name in ("lr", "weight_decay", "momentum"):
        values = [group[name] for group in optimizer.param_groups if name in group]
        if values:
            actual[name] = values[0] if len(set(values)) == 1 else values
    if not scheduled:
        actual["schedule"] = "constant"
    return {name: [value, getattr(recipe, name)] for name, value in actual.items() if value != getattr(recipe, name)}
