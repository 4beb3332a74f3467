"""Options that say where on this machine runs are carried out, and how many at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from benchmark.runs.executors.packing import Packing
    from benchmark.store.store import Store

AUTO = "auto"


class Slots(click.ParamType):  # type: ignore[type-arg]
    """A number of runs, or "auto"."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == AUTO:
            return AUTO
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not 1 <= number <= 4096:
            self.fail(f"{value!r} is not a number from 1 to 4096, and not {AUTO}", param, ctx)
        return number


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options: list[Callable[..., Any]] = [
        click.option(
            "--slots",
            type=Slots(),
            help="Runs at a time on each device; auto: as many as fit into its memory.  "
            "[default: one per core; 1 on a GPU]",
        ),
        click.option(
            "--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Torch threads per run."
        ),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or cuda:0,1."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def device_names(text: str) -> list[str]:
    """The devices of --device, as `Options.device` takes them. Raises UsageError where one is not there."""
    if text == "cpu":
        return ["cpu"]
    from benchmark.errors import UsageError
    from benchmark.runs.assemble import pick_device

    kind, colon, numbers = text.partition(":")
    parts = [part.strip().removeprefix(f"{kind}:") for part in numbers.split(",")]
    names = [f"{kind}{colon}{part}" for part in parts]
    if len(set(names)) < len(names):
        raise UsageError(f"--device {text} names a device twice; expected each once, such as cuda:0,1")
    return [str(pick_device(name)) for name in names]


def packing_of(device: str, slots: int | str | None, threads: int, store: Store) -> Packing:
    """How the runs of a grid share the devices that `machine_options` name."""
    from benchmark.runs.executors.packing import Device, Packing, devices, measured_needs
    from benchmark.store import provenance

    names = device_names(device)
    cores = provenance.cores() // threads or 1
    if slots == AUTO:
        return Packing(devices(names), limit=max(cores, len(names)), needs=measured_needs(store, names[0]))
    each = slots if isinstance(slots, int) else None
    return Packing([Device(name) for name in names], per_device=each or (cores if names == ["cpu"] else 1))
