"""The ratios of `noisybench bench`: the time of some work over that of a named baseline in the same session."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch

from benchmark.checks.speed import fake_records
from benchmark.checks.speed.steps import BATCH, CPU, POLICY, Steps, random_images
from benchmark.checks.speed.timing import Ratio, ratio
from benchmark.grid.spec import Augment
from benchmark.noise.base import Split
from benchmark.registry import METHODS, NOISE
from benchmark.seeds import seed_for
from benchmark.store.atomic import write_atomically
from benchmark.store.content import Record
from benchmark.store.store import Store
from benchmark.training.augment import augment

LAST_EPOCH = 4
"""Epoch in which the steps of methods are timed, after their warm-up."""
NOISE_SIZE = 50_000
WRITES = 20


@dataclass(frozen=True)
class Result:
    """`work` took `ratio.work` seconds, `baseline` took `ratio.baseline`."""

    work: str
    baseline: str
    ratio: Ratio


def steps(method: str, *, limit: float | None = None, **setting: Any) -> Ratio:
    """A training step of `method` over one of cross entropy, per image, as batches may differ in size."""
    ours, plain = Steps(method, **setting), Steps("ce", **setting)
    per_step = ratio(ours.step, plain.step, limit=limit)
    share = len(ours.batches[0].index) / len(plain.batches[0].index)
    return Ratio(per_step.work / share, per_step.baseline)


def method_steps(names: list[str] | None = None) -> Iterator[Result]:
    for name in names or [entry.name for entry in METHODS.entries() if entry.name != "ce"]:
        yield Result(f"step of {name}", "step of ce", steps(name, epochs=LAST_EPOCH))


def augmentation() -> Result:
    """Flip and rotation of a batch over flipping alone, which reads and writes the same images."""
    index = torch.arange(BATCH)
    images = random_images(BATCH, 3, CPU).gather(index)

    def under(policy: Augment) -> Callable[[], object]:
        return lambda: augment(images, index, policy, 0, 0, 0)

    timed = ratio(under(POLICY), under(Augment(flip=True)))
    return Result("flip and rotation of a batch", "flip alone", timed)


def noise() -> Result:
    """Symmetric noise of a data set over drawing one uniform number for each label."""
    generator = np.random.default_rng(0)
    part = Split("train", generator.integers(0, 9, NOISE_SIZE), 9, "made", "speed", None)
    plugin = NOISE.load("symmetric")
    kind = plugin(plugin.Config(rate=0.2))
    timed = ratio(lambda: kind.corrupt(part, 0), lambda: generator.random(NOISE_SIZE))
    return Result(f"symmetric noise on {NOISE_SIZE:,} labels", "as many uniform draws", timed)


def real_record(folder: Path) -> Record:
    """The record of a real run of ten epochs on scikit-learn's digits."""
    from benchmark.grid import suite
    from benchmark.grid.expand import expand
    from benchmark.grid.job import Options
    from benchmark.runs.worker import run_one
    from benchmark.store import provenance

    grid = {"datasets": ["digits"], "methods": ["ce"], "noise": ["symmetric:0.2"], "seeds": 1, "recipe": {"epochs": 10}}
    (job,) = expand(suite.build(grid), Options(results=str(folder), data_root=str(folder)))
    store = Store(folder)
    store.prepare()
    outcome = run_one(job.model_copy(update={"provenance": provenance.collect()}), store)
    record = store.read(job.spec.id)
    if record is None or outcome.state != "ok":
        raise RuntimeError(f"the run from which records are made ended {outcome.state}: {outcome.summary}")
    return record


def readers(real: Record, count: int, folder: Path) -> Iterator[Result]:
    """Start-up of the command line, then `status` and `table` on `count` compacted records."""
    store = Store(folder / "many")
    fake_records.fill(store, real, [entry.name for entry in METHODS.entries()], count)
    start = ratio(partial(command, "--version"), partial(python, "pass"), rounds=3)
    yield Result("noisybench --version", "python that does nothing", start)
    baselines = {
        "status": ("noisybench --version", partial(command, "--version")),
        "table": ("import torch", partial(python, "import torch")),  # as it does, to read the cards of methods
    }
    for name, (told, baseline) in baselines.items():
        timed = ratio(partial(command, name, "--results", str(store.folder)), baseline, rounds=3)
        yield Result(f"{name} on {count:,} records", told, timed)


def compacted_over_loose(real: Record, count: int, folder: Path) -> Result:
    """Reading what a table needs from a segment over reading the same records from their files."""
    from benchmark.tables import frame

    segments, loose = Store(folder / "segments"), Store(folder / "loose")
    fake_records.fill(segments, real, ["ce"], count)
    for record in segments.records().records:
        path = loose.run_path(record["id"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(segments.read_bytes(record["id"]) or b"")
    fields = frame.fields("val_noisy")
    timed = ratio(lambda: segments.records(fields), lambda: loose.records(fields), rounds=3)
    return Result(f"{count:,} records from segments", "from loose files", timed)


def writing(real: Record, folder: Path) -> Result:
    """Writing records to the store over writing the same bytes to files, both atomically."""
    store = Store(folder / "written")
    content = orjson.dumps(real)

    def plain() -> None:
        for number in range(WRITES):
            write_atomically(folder / "plain" / f"{number}.json", content)

    def records_written() -> None:
        for number in range(WRITES):
            store.write({**real, "id": f"{seed_for('bench', number):016x}"})

    return Result(f"{WRITES} records written", "as many bytes, atomically", ratio(records_written, plain))


def command(*arguments: str) -> None:
    python("-m", "noisybench", *arguments)


def python(*arguments: str) -> None:
    """Runs this Python; a single argument is a program."""
    options = arguments if len(arguments) > 1 else ("-c", *arguments)
    subprocess.run([sys.executable, *options], check=True, stdout=subprocess.DEVNULL)


def everything(count: int, methods: list[str] | None = None) -> Iterator[Result]:
    """All results, with `count` records for the readers."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="noisybench-bench-") as name:
        folder = Path(name)
        yield augmentation()
        yield noise()
        real = real_record(folder / "real")
        yield writing(real, folder)
        yield compacted_over_loose(real, min(count, 1000), folder)
        yield from readers(real, count, folder)
    yield from method_steps(methods)
