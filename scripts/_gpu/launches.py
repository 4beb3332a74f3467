"""Ways to launch less per training step: a compiled step, a captured graph, several seeds in one step.

The suite uses none of them. They are measured here so that one can be chosen where it pays: a step of a small network
on small images costs its launches, and hardly its arithmetic. All train on one fixed batch, without augmentation.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional as F

from benchmark.checks.speed.steps import BATCH, SIDE, random_labels
from benchmark.registry import BACKBONES

CLASSES = 9
SEEDS = 4
"""Trained together where seeds are stacked."""
WARM_UP = 3
Step = Callable[[], object]


def figures(backbone: str, device: str, seconds: float) -> Iterator[tuple[str, Callable[[], float]]]:
    """Name -> images per second of each way, of all seeds together."""
    ways: dict[str, tuple[Callable[[str, str], Step], int]] = {"step by step": (eager, 1)}
    ways["torch.compile"] = (compiled, 1)
    if device == "cuda":
        ways["CUDA graph"] = (captured, 1)
    ways[f"{SEEDS} seeds stacked"] = (stacked, SEEDS)
    for name, (make, seeds) in ways.items():
        yield f"{backbone}, {name}", partial(_rate, make, backbone, device, seconds, seeds * BATCH)


def eager(backbone: str, device: str) -> Step:
    network, x, y = _parts(backbone, device)
    return _stepping(torch.optim.Adam(network.parameters()), lambda: F.cross_entropy(network(x), y))


def compiled(backbone: str, device: str) -> Step:
    network, x, y = _parts(backbone, device)
    loss = torch.compile(lambda: F.cross_entropy(network(x), y))
    return _stepping(torch.optim.Adam(network.parameters()), loss)


def captured(backbone: str, device: str) -> Step:
    network, x, y = _parts(backbone, device)
    optimizer = torch.optim.Adam(network.parameters(), capturable=True)
    step = _stepping(optimizer, lambda: F.cross_entropy(network(x), y))
    side = torch.cuda.Stream()  # capturing asks for a warm-up on another stream
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def stacked(backbone: str, device: str) -> Step:
    """`SEEDS` networks whose layers are computed as one; each would have batches of its own order."""
    plain = torch.contiguous_format
    networks = [_parts(backbone, device, seed)[0].to(memory_format=plain) for seed in range(SEEDS)]
    _, x, y = _parts(backbone, device)
    parameters, buffers = stack_module_state(networks)
    empty = copy.deepcopy(networks[0]).to("meta")
    empty.prepare = lambda x: x  # type: ignore[assignment]  # the own one gives memory an order that vmap does not know
    xs, ys = x.expand(SEEDS, *x.shape).contiguous(), y.expand(SEEDS, -1).contiguous()

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(empty, (parameters, buffers), (x,)), y)

    losses = torch.vmap(loss, randomness="different")
    return _stepping(torch.optim.Adam(parameters.values()), lambda: losses(parameters, buffers, xs, ys).sum())


def _stepping(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> Step:
    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step


def _parts(backbone: str, device: str, seed: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
    """A network of PyTorch's own layers, images [BATCH, 3, SIDE, SIDE] and labels [BATCH]."""
    torch.manual_seed(seed)
    family = BACKBONES.load(backbone)
    network = family(family.Config(), "").build(3, CLASSES, SIDE, device != "cpu", small_maps=False)
    x = torch.rand(BATCH, 3, SIDE, SIDE, device=device)
    return network.to(device).train(), x, torch.from_numpy(random_labels(BATCH, CLASSES)).to(device)


def _rate(make: Callable[[str, str], Step], backbone: str, device: str, seconds: float, images: int) -> float:
    step = make(backbone, device)
    for _ in range(WARM_UP):
        step()
    _synchronize(device)
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        step()
        steps += 1
        if steps % 10 == 0 or device == "cpu":
            _synchronize(device)
    _synchronize(device)
    return steps * images / (time.perf_counter() - started)


def _synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
