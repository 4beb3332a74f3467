"""Every fast path can be switched off, and steps aside where torch lacks the private call that it needs."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import Any

import pytest
import torch

from backbones._fast.switch import PATHS, FastPathError, fast_path_is_on
from tests.conftest import ROOT

# What is left of every path in a process of its own, after an optional `prelude` that takes something away.
SCRIPT = """
import torch
ops = torch.ops
{prelude}
from backbones._fast import products
from backbones._fast.small_maps import SmallMapConv2d
torch.ops = ops  # torch itself needs what was taken away
from backbones.cnn import SmallCNN
from benchmark.grid.spec import Recipe
from benchmark.training import optimizers
torch.manual_seed(0)
network = SmallCNN(SmallCNN.Config()).build(3, 4, 8, amp=False).train()
optimizer = optimizers.make_optimizer(Recipe(epochs=1), network.parameters(), {{}})
loss = torch.nn.functional.cross_entropy(network(torch.rand(8, 3, 8, 8)), torch.arange(8) % 4)
loss.backward()
optimizer.step()
taken = {{
    "products": products._ONEDNN,
    "small_maps": any(isinstance(layer, SmallMapConv2d) for layer in network.modules()),
    "adam": type(optimizer) is optimizers._Adam,
}}
print(" ".join(name for name in taken if taken[name]))
print(float(loss), float(network(torch.rand(8, 3, 8, 8)).square().sum()))
"""
WITHOUT = """
import types
class Without:
    def __init__(self, real, name):
        self.real, self.missing = real, name
    def __getattr__(self, name):
        if name == self.missing:
            raise AttributeError(name)
        return getattr(self.real, name)
torch.ops = types.SimpleNamespace(mkldnn=ops.mkldnn, aten=ops.aten)
torch.ops.{namespace} = Without(ops.{namespace}, "{operator}")
"""
ALL = {"products", "small_maps", "adam"}
if torch.backends.cpu.get_cpu_capability() != "AVX512" or not torch.backends.mkldnn.is_available():
    ALL -= {"products"}


def taken(prelude: str = "", **environment: str) -> tuple[set[str], list[float]]:
    """The fast paths that a process takes, and two numbers that it computes."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(prelude=prelude)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names, numbers = done.stdout.splitlines()
    return set(names.split()), [float(number) for number in numbers.split()]


@pytest.fixture(scope="module")
def usual() -> tuple[set[str], list[float]]:
    return taken(NOISYBENCH_FAST="1")


def test_by_default_every_path_that_the_processor_allows_is_taken(usual: tuple[set[str], list[float]]) -> None:
    assert usual[0] == ALL


@pytest.mark.slow
@pytest.mark.parametrize("value", ["0", "adam"])
def test_a_path_that_is_switched_off_is_not_taken_and_changes_no_result(
    value: str, usual: tuple[set[str], list[float]]
) -> None:
    names, numbers = taken(NOISYBENCH_FAST=value)
    assert names == ALL & set(value.split(","))
    assert numbers == pytest.approx(usual[1], rel=1e-4)


ABSENT = {
    "products": WITHOUT.format(namespace="mkldnn", operator="_linear_pointwise"),
    "small_maps": WITHOUT.format(namespace="aten", operator="convolution_backward"),
}


@pytest.mark.slow
@pytest.mark.parametrize("path", ABSENT)
def test_without_its_private_call_a_path_is_left_and_training_goes_on(
    path: str, usual: tuple[set[str], list[float]]
) -> None:
    names, numbers = taken(ABSENT[path], NOISYBENCH_FAST="1")
    assert names == ALL - {path}
    assert numbers == pytest.approx(usual[1], rel=1e-4)


@pytest.mark.parametrize("init_group", [None, lambda self, group, params, grads, moments: None])
def test_without_the_lists_that_it_knows_torchs_own_adam_is_taken(
    init_group: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.training import optimizers

    other = type("OtherVersion", (torch.optim.Adam,), {"_init_group": init_group})
    assert optimizers._adam(torch.optim.Adam, optimizers._Adam) is optimizers._Adam
    assert optimizers._adam(other, optimizers._Adam) is other
    monkeypatch.setenv("NOISYBENCH_FAST", "0")
    assert optimizers._adam(torch.optim.Adam, optimizers._Adam) is torch.optim.Adam


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_the_memory_of_a_process_is_left_alone_where_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.runs.executors import malloc

    calls: list[object] = []
    monkeypatch.setattr("ctypes.CDLL", calls.append)
    monkeypatch.setenv("NOISYBENCH_FAST", "products")
    malloc.keep_freed_memory()
    assert not calls


@pytest.mark.parametrize(("value", "on"), [("", PATHS), ("1", PATHS), ("0", ()), ("adam, malloc", ("adam", "malloc"))])
def test_the_variable_says_which_paths_are_on(value: str, on: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISYBENCH_FAST", value)
    assert tuple(path for path in PATHS if fast_path_is_on(path)) == on


def test_an_unknown_path_is_named_with_the_known_ones(noisybench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISYBENCH_FAST", "prodcts")
    with pytest.raises(FastPathError, match="'prodcts'.*products, small_maps, adam, malloc"):
        fast_path_is_on("adam")
    grid = ("run", "-d", "digits", "-m", "ce", "-n", "none", "--epochs", "1", "--seeds", "1")
    assert "unknown fast path 'prodcts'" in noisybench(*grid, code=2, NOISYBENCH_FAST="prodcts").stderr
