#!/usr/bin/env python
"""Measures this machine and writes results/published/performance.md. Run it alone on the machine.

    python scripts/performance.py                                     # about ten minutes on two cores
    python scripts/performance.py --end-to-end-stem imagenet small    # MedMNIST's stem there too: some 15 more

The plain side is what most people write with torch and torchvision: a Dataset of PIL images, per-image flip,
rotation, ToTensor and Normalize, a DataLoader, default threads. It imports nothing of noisybench. PneumoniaMNIST
comes from $NOISYBENCH_DATA (default ../shared/data). Where torch uses AVX-512, which speeds up the plain side most,
a row without it shows what processors that have none can expect.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmark.checks.speed import machine
from benchmark.checks.speed.flops import TRAINING, count
from benchmark.checks.speed.machine import Division, Training
from benchmark.checks.speed.overhead import BATCHES, Overhead, overhead
from benchmark.store import provenance

ROOT = Path(__file__).resolve().parent.parent
BATCH, LR, DEGREES = 128, 1e-3, 15
STEMS = {"imagenet": "7x7 stem", "small": "3x3 stem, no max-pool, as MedMNIST's baseline"}
DEFAULT_THREADS = torch.get_num_threads()
THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
INSTRUCTIONS = torch.backends.cpu.get_cpu_capability()
WITHOUT_AVX512 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


# The plain side


@dataclass(frozen=True)
class PlainSetting:
    device: str = "cpu"
    amp: bool = False
    """Autocast to bfloat16."""
    workers: int = 0
    """Processes of the DataLoader; 0: images are made in the training process."""


PLAIN = PlainSetting()


class PlainImages(Dataset[tuple[torch.Tensor, int]]):
    """Images as MedMNIST's loaders give them: one PIL image at a time through torchvision's transforms."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, train: bool) -> None:
        self.images, self.labels = images, labels
        channels = 1 if images.ndim == 3 else 3
        steps = [transforms.ToTensor(), transforms.Normalize([0.5] * channels, [0.5] * channels)]
        if train:
            steps = [transforms.RandomHorizontalFlip(), transforms.RandomRotation(DEGREES), *steps]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def plain_network(stem: str, channels: int, classes: int) -> nn.Module:
    net = torchvision.models.resnet18(num_classes=classes)
    if stem == "small":
        net.conv1, net.maxpool = nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.Identity()
    elif channels != 3:
        net.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
    return net


def plain_stream(stem: str, setting: PlainSetting = PLAIN) -> Iterator[int]:
    """Endless training on random colour images: the number of images of every step."""
    # Processes are filled anew in every epoch, so that epochs are longer with them.
    size = (64 if setting.workers else 8) * BATCH
    images = np.random.default_rng(0).integers(0, 256, (size, 28, 28, 3), dtype=np.uint8)
    data = PlainImages(images, np.arange(len(images)) % 9, train=True)
    net = plain_network(stem, 3, 9).to(setting.device)
    optimizer = torch.optim.Adam(net.parameters(), LR)
    loader = DataLoader(
        data,
        BATCH,
        shuffle=True,
        num_workers=setting.workers,
        persistent_workers=setting.workers > 0,
        pin_memory=setting.device != "cpu",
    )
    while True:
        for x, y in loader:
            plain_step(net, optimizer, x, y, setting)
            yield len(y)


def plain_step(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
    setting: PlainSetting = PLAIN,
) -> None:
    x, y = x.to(setting.device, non_blocking=True), y.to(setting.device, non_blocking=True)
    optimizer.zero_grad()
    with torch.autocast(torch.device(setting.device).type, torch.bfloat16, enabled=setting.amp):
        loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()


def plain_rate(stem: str, seconds: float, setting: PlainSetting = PLAIN) -> float:
    torch.set_num_threads(DEFAULT_THREADS)
    return machine.rate(plain_stream(stem, setting), setting.device, seconds)


def plain_recipe(file: Path, stem: str, epochs: int, seed: int) -> float:
    """Seconds: Adam, batch 128, train, val and test scored after every epoch."""
    torch.set_num_threads(DEFAULT_THREADS)
    torch.manual_seed(seed)
    started = time.perf_counter()
    with np.load(file, allow_pickle=False) as arrays:
        splits = {s: (arrays[f"{s}_images"], arrays[f"{s}_labels"].ravel()) for s in ("train", "val", "test")}
    images, labels = splits["train"]
    net = plain_network(stem, 1 if images.ndim == 3 else 3, int(labels.max()) + 1)
    optimizer = torch.optim.Adam(net.parameters(), LR)
    loaders = {name: DataLoader(PlainImages(*split, train=False), BATCH) for name, split in splits.items()}
    for _ in range(epochs):
        net.train()
        for x, y in DataLoader(PlainImages(images, labels, train=True), BATCH, shuffle=True):
            plain_step(net, optimizer, x, y)
        net.eval()
        for loader in loaders.values():
            with torch.no_grad():
                sum(int((net(x).argmax(1) == y).sum()) for x, y in loader)
    return time.perf_counter() - started


# The same with noisybench


def our_recipe(file: Path, stem: str, epochs: int, runs: int) -> float:
    """Seconds of the whole command for `runs` seeds, a run per core at a time."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "noisybench",
            "run",
            "-d",
            f"npz:{file}",
            "-b",
            f"resnet18:stem={stem}",
        ]
        command += ["-m", "ce", "-n", "none", "--seeds", str(runs), "--epochs", str(epochs)]
        command += ["--recipe", f"lr={LR}", "--recipe", f"batch_size={BATCH}", "--recipe", "augment.flip=true"]
        command += ["--recipe", f"augment.rotate={DEGREES}", "--no-table", "--results", folder, "--device", "cpu"]
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        started = time.perf_counter()
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
        return time.perf_counter() - started


# The page


@dataclass(frozen=True)
class Throughput:
    """Images per second of a ResNet-18 on 28x28 colour images."""

    stem: str
    instructions: str
    plain: float
    ours: float
    useful: float
    """Floating-point operations of a forward pass, and those as usually counted."""
    usual: float
    peak: float
    """10^9 operations per second of the fastest matrix products, before and after, the larger."""
    peak_mm: float
    """The same of `torch.mm`."""

    @property
    def reached(self) -> float:
        """Share of the limit that the useful operations set."""
        return self.ours * TRAINING * self.useful / (self.peak * 1e9)

    def row(self) -> str:
        useful = self.peak * 1e9 / (TRAINING * self.useful)
        usual = self.peak * 1e9 / (TRAINING * self.usual)
        mm = self.peak_mm * 1e9 / (TRAINING * self.useful)
        return cells(
            STEMS[self.stem],
            self.instructions,
            f"{self.plain:.0f}",
            f"{self.ours:.0f}",
            f"{self.ours / self.plain:.2f}x",
            f"{TRAINING * self.useful / 1e6:.0f} / {TRAINING * self.usual / 1e6:.0f}",
            f"{useful:.0f} / {usual:.0f}",
            f"{self.reached:.0%} / {self.ours / usual:.0%}",
            f"{mm:.0f}: {self.ours / mm:.0%}",
        )


@dataclass(frozen=True)
class EndToEnd:
    """Equally many runs of either side: plain ones one after the other, noisybench's on all cores at once."""

    stem: str
    images: int
    epochs: int
    runs: int
    """Of either side."""
    plain_seconds: float
    """Of all plain runs."""
    seconds: float

    def row(self) -> str:
        runs = self.runs
        trained = self.images * self.epochs * runs
        return cells(
            STEMS[self.stem],
            f"{self.plain_seconds / runs:.1f}",
            f"{self.seconds / runs:.1f}",
            f"{self.plain_seconds / self.seconds:.2f}x",
            f"{trained / self.plain_seconds:.0f}",
            f"{trained / self.seconds:.0f}",
        )


def throughput(stem: str, seconds: float) -> Throughput:
    whole = Division(provenance.cores(), 1)
    operations = count(plain_network(stem, 3, 9), 3, 28)
    peaks, plain, ours = [machine.peak_gflops(whole)], [], []
    for _ in range(2):  # in turns: the machine's speed drifts
        plain.append(plain_rate(stem, seconds))
        ours.append(machine.images_per_second(Training(options={"stem": stem}), whole, seconds))
        peaks.append(machine.peak_gflops(whole))
    best, mm = max(peak.best for peak in peaks), max(peak.mm for peak in peaks)
    return Throughput(stem, INSTRUCTIONS, max(plain), max(ours), operations.useful, operations.usual, best, mm)


def all_throughputs(seconds: float) -> list[Throughput]:
    rates = [throughput(stem, seconds) for stem in STEMS]
    if INSTRUCTIONS == "AVX512":
        # What a process may use is decided at its start.
        command = [sys.executable, __file__, "--seconds", str(seconds), "--only", "imagenet"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **WITHOUT_AVX512})
        rates.insert(1, Throughput(**json.loads(done.stdout)))
    return rates


def end_to_end(file: Path, stem: str, epochs: int, runs: int) -> EndToEnd:
    with np.load(file, allow_pickle=False) as arrays:
        images = len(arrays["train_labels"])
    plain_seconds = sum(plain_recipe(file, stem, epochs, seed) for seed in range(runs))
    return EndToEnd(stem, images, epochs, runs, plain_seconds, our_recipe(file, stem, epochs, runs))


def cells(*values: str) -> str:
    return f"| {' | '.join(values)} |"


def page(rates: list[Throughput], ends: list[EndToEnd], harness: Overhead) -> str:
    origin = provenance.collect()
    hardware = origin["hardware"]
    dirty = " with changes" if origin["dirty"] else ""
    lines = [
        "# Performance",
        "",
        f"{hardware['processor']}, {hardware['cores']} cores, {origin['platform']}; Python {origin['python']}, "
        f"torch {origin['libraries'].get('torch')}; commit {(origin['commit'] or 'unknown')[:12]}{dirty}; "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}. Made by `scripts/performance.py`. Ratios are of one "
        "session; seconds of another day or machine may differ by a factor of two.",
        "",
        "## Training a ResNet-18 on 28x28 colour images",
        "",
        f"Batch {BATCH}, Adam, flip and rotation, 9 classes. Plain: `DataLoader` and torchvision's transforms, one "
        f"process, {DEFAULT_THREADS} threads. noisybench: {provenance.cores()} processes of one thread. Limit: the "
        f"matrix-product peak of this session ({max(rate.peak for rate in rates):.0f} GFLOP/s, all cores) over the "
        "operations of a training step with the same instructions; first without products with padding zeros, then "
        "as usually counted. "
        f"`torch.mm` reaches {max(rate.peak_mm for rate in rates):.0f} GFLOP/s, which may be less (on processors that "
        "are not Intel's it leaves AVX-512 unused); the last column counts useful operations against that.",
        "",
        cells(
            "network",
            "instructions",
            "plain, images/s",
            "noisybench, images/s",
            "ratio",
            "MFLOP",
            "limit, images/s",
            "reached",
            "limit by torch.mm",
        ),
        cells(*["---"] * 9),
        *[rate.row() for rate in rates],
        "",
    ]
    if ends:
        lines += [
            f"## PneumoniaMNIST, {ends[0].epochs} epochs, end to end",
            "",
            "After every epoch train, val and test are scored. noisybench's seconds are those of its command from "
            "start to end; the plain ones leave out the start of Python and the import of torch. "
            f"{ends[0].runs} runs of either side.",
            "",
            cells(
                "network",
                "plain, s a run",
                "noisybench, s a run",
                "ratio",
                "plain, images/s",
                "noisybench, images/s",
            ),
            cells(*["---"] * 6),
            *[end.row() for end in ends],
            "",
        ]
    lines += [
        "## Harness",
        "",
        f"An epoch of {BATCHES} steps of the small network over a bare loop of the same operations, in turns: "
        f"{harness.ratio.value:.3f} ({harness.milliseconds:+.2f} ms a step).",
        "",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=20, help="of each timed training (default 20)")
    parser.add_argument("--epochs", type=int, default=3, help="of the end-to-end comparison (default 3; 0: none)")
    parser.add_argument("--runs", type=int, default=2, help="of either side there, each with a seed (default 2)")
    parser.add_argument("--end-to-end-stem", nargs="+", choices=STEMS, default=["imagenet"], help="default imagenet")
    parser.add_argument("--only", choices=STEMS, help="measure the training of this one, print it, write no page")
    parser.add_argument("--out", type=Path, default=ROOT / "results/published/performance.md")
    options = parser.parse_args(arguments)
    file = Path(os.environ.get("NOISYBENCH_DATA", ROOT.parent / "shared/data")).resolve() / "pneumoniamnist.npz"
    if limits := [name for name in THREAD_LIMITS if name in os.environ]:
        unset = " ".join(f"-u {name}" for name in limits)
        raise SystemExit(
            f"{', '.join(limits)} would keep the plain side from torch's default threads; "
            f"type: env {unset} python scripts/performance.py"
        )
    if options.only:
        print(json.dumps(asdict(throughput(options.only, options.seconds))))
        return
    if options.epochs and not file.is_file():
        raise SystemExit(f"{file} is not there; set NOISYBENCH_DATA to the folder that holds it, or type --epochs 0")
    rates = all_throughputs(options.seconds)
    stems = options.end_to_end_stem if options.epochs else []
    ends = [end_to_end(file, stem, options.epochs, options.runs) for stem in stems]
    with tempfile.TemporaryDirectory() as folder:
        harness = overhead(Path(folder))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page(rates, ends, harness), encoding="utf-8")
    print(f"{options.out} written", file=sys.stderr)


if __name__ == "__main__":
    main()
