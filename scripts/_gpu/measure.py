"""Measures training speed on a device; prints a line of JSON for each figure, as soon as it is known."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from benchmark.checks.speed import machine
from benchmark.checks.speed.machine import Division, Training
from benchmark.store import provenance
from scripts._gpu import launches
from scripts.performance import PlainSetting, plain_rate

STEM = "imagenet"
PRECISIONS = ("float32", "bfloat16")
PACKED = (1, 2, 4, 8)
WORKERS = 8


@dataclass(frozen=True)
class Setting:
    device: str
    seconds: float
    """Of every figure, after its warm-up."""
    tiny: bool


def images(setting: Setting) -> Iterator[tuple[str, Callable[[], float]]]:
    """Images per second of the plain `DataLoader` loop and of the suite's engine, one process each."""
    workers = min(2 if setting.tiny else WORKERS, provenance.cores())
    for precision in PRECISIONS:
        amp = precision == "bfloat16"
        for count in (0, workers):
            plain = PlainSetting(setting.device, amp, count)
            yield f"DataLoader loop, {count} workers, {precision}", partial(plain_rate, STEM, setting.seconds, plain)
        yield f"noisybench, {precision}", partial(_engine, setting, Division(1, 1), amp)


def packed(setting: Setting) -> Iterator[tuple[str, Callable[[], float]]]:
    """Images per second of several runs at once on the one device, together."""
    for count in PACKED[:2] if setting.tiny else PACKED:
        yield f"{count} at once", partial(_engine, setting, Division(count, 1), True)


def _engine(setting: Setting, division: Division, amp: bool) -> float:
    training = Training(options={"stem": STEM}, device=setting.device, amp=amp)
    return machine.images_per_second(training, division, setting.seconds)


def this_machine() -> dict[str, Any]:
    """Where this runs, and with what."""
    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_properties(0) if cuda else None
    return {
        **provenance.collect(),
        "device": device.name if device else None,
        "device_mib": device.total_memory // 2**20 if device else None,
        "cuda": torch.version.cuda if cuda else None,
        "cudnn": torch.backends.cudnn.version() if cuda else None,
    }


def fewer_launches(setting: Setting) -> Iterator[tuple[str, Callable[[], float]]]:
    """Images per second of ways to launch less, which the suite does not use."""
    for backbone in ("cnn",) if setting.tiny else ("cnn", "resnet18"):
        yield from launches.figures(backbone, setting.device, setting.seconds)


FIGURES = {"images": images, "packed": packed, "launches": fewer_launches}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["machine", *FIGURES])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--known", nargs="*", default=[], help="figures that are known already")
    options = parser.parse_args()
    if options.what == "machine":
        print(json.dumps(this_machine()))
        return
    setting = Setting(options.device, options.seconds, options.tiny)
    for name, measure in FIGURES[options.what](setting):
        if name in options.known:
            continue
        try:
            row = {"what": name, "value": measure()}
        except Exception as error:  # the other figures may still be had
            row = {"what": name, "error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
