"""Peak speed of matrix products, and training images per second for each division into processes and threads."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from backbones.base import Linear
from benchmark.runs.executors.malloc import keep_freed_memory
from benchmark.store import provenance

PEAK_SIDE = 1536
PEAK_SECONDS = 1.0
WARM_UP = 2
"""Steps before the clock starts: the first ones claim memory and choose kernels."""
PATIENCE = 600.0
PACKED = (1, 2, 4)
"""Numbers of runs at a time that are tried on one GPU."""


@dataclass(frozen=True)
class Training:
    """What every process trains: cross entropy with the suite's own engine, augmentation included."""

    backbone: str = "resnet18"
    options: dict[str, Any] = field(default_factory=lambda: {"stem": "imagenet"})
    device: str = "cpu"
    small_maps: bool = True
    amp: bool | None = None
    """Whether to use bfloat16, which networks do on CUDA only; None: on every device but the CPU."""

    def images(self) -> Iterator[int]:
        from benchmark.checks.speed.steps import BATCH, Steps

        return Steps(
            "ce",
            backbone=self.backbone,
            backbone_options=self.options,
            num_samples=8 * BATCH,
            device=torch.device(self.device),
            amp=self.device != "cpu" if self.amp is None else self.amp,
            small_maps=self.small_maps,
        ).stream()


@dataclass(frozen=True)
class Division:
    """Processes x threads per process."""

    processes: int
    threads: int


def divisions(device: str = "cpu") -> list[Division]:
    """From one process that has all cores to one process per core; on a GPU, runs packed on it."""
    if device != "cpu":
        return [Division(processes, 1) for processes in PACKED]
    cores = provenance.cores()
    return [Division(count, cores // count) for count in range(1, cores + 1) if cores % count == 0]


def images_per_second(training: Training, division: Division, seconds: float) -> float:
    """Images per second of all processes together, which train at the same time."""
    return sum(_in_processes(_train, division, training, seconds))


@dataclass(frozen=True)
class Peak:
    """10^9 operations per second of float32 matrix products on the CPU, of all processes together."""

    mm: float
    """By `torch.mm`."""
    layer: float
    """By the products that the networks here are made of, which may use another library."""

    @property
    def best(self) -> float:
        return max(self.mm, self.layer)


def peak_gflops(division: Division) -> Peak:
    rates = _in_processes(_multiply, division)
    return Peak(sum(mm for mm, _ in rates), sum(layer for _, layer in rates))


def propose(rates: dict[Division, float]) -> Division:
    return max(rates, key=lambda division: rates[division])


def _in_processes(work: Any, division: Division, *arguments: Any) -> list[Any]:
    context = multiprocessing.get_context("spawn")  # CUDA, and threads already started, do not survive a fork
    barrier, results = context.Barrier(division.processes), context.Queue()
    shared = (work, division.threads, barrier, results, arguments)
    running = [context.Process(target=_report, args=shared, daemon=True) for _ in range(division.processes)]
    for process in running:
        process.start()
    try:
        returned = [results.get(timeout=PATIENCE) for _ in running]
    finally:
        for process in running:
            process.join(1)
            process.terminate()
    for result in returned:
        if isinstance(result, Exception):
            raise result
    return returned


def _report(work: Any, threads: int, barrier: Any, results: Any, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(threads)
    keep_freed_memory()
    try:
        results.put(work(barrier, *arguments))
    except Exception as error:
        barrier.abort()
        results.put(RuntimeError(f"{type(error).__name__}: {error}"))


def _train(barrier: Any, training: Training, seconds: float) -> float:
    torch.backends.cudnn.deterministic = True  # as in a run
    return rate(training.images(), training.device, seconds, partial(barrier.wait, PATIENCE))


def rate(stream: Iterator[int], device: str, seconds: float, ready: Callable[[], Any] = lambda: None) -> float:
    """Images per second of a training on `device` that yields the images of every step; `ready` starts the clock.

    A GPU runs asynchronously, so it is synchronized before the clock starts and before it stops.
    """
    for _ in range(WARM_UP):
        next(stream)
    _wait_for(device)
    ready()
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        images += next(stream)
    _wait_for(device)
    return images / (time.perf_counter() - started)


def _wait_for(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


@torch.no_grad()
def _multiply(barrier: Any) -> tuple[float, float]:
    """The fastest of many products, as everything else on the machine only slows them down."""
    a, b = torch.randn(PEAK_SIDE, PEAK_SIDE), torch.randn(PEAK_SIDE, PEAK_SIDE)
    out, layer = a @ b, Linear(PEAK_SIDE, PEAK_SIDE, bias=False)
    return _fastest(barrier, partial(torch.mm, a, b, out=out)), _fastest(barrier, partial(layer, a))


def _fastest(barrier: Any, multiply: Callable[[], Any]) -> float:
    multiply()
    barrier.wait(PATIENCE)
    best, stop = float("inf"), time.perf_counter() + PEAK_SECONDS
    while time.perf_counter() < stop:
        started = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - started)
    return 2 * PEAK_SIDE**3 / best / 1e9
