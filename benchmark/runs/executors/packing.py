"""How many runs share the devices of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.grid.job import Job
from benchmark.runs.order import kind
from benchmark.store.store import Store

USABLE = 0.9
"""The part of a device's memory that runs are planned into."""
MARGIN = 1.1
"""Two runs of a kind differ in memory by allocation and seed."""
MIB = 2**20


@dataclass(frozen=True)
class Device:
    name: str
    """As of `Options.device`: cpu, cuda:1."""
    memory_mib: float = float("inf")
    """What is free of it when a grid starts; infinite where the system does not tell."""


class Packing:
    """Chooses the device of the next run: as many runs as were asked for, or as fit into memory.

    What a run needs is known from the records of its kind (data set, backbone, recipe, method). A kind without records
    has a device for itself until the first of its runs has ended.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        *,
        per_device: int | None = None,
        limit: int = 4096,
        needs: Mapping[bytes, float] | None = None,
    ) -> None:
        """`per_device`: runs that share a device; None: as many as fit. `limit`: runs in all. `needs`: kind -> MiB."""
        self.devices = devices
        self.per_device = per_device
        self.limit = limit if per_device is None else min(limit, per_device * len(devices))
        self.needs = dict(needs or {})

    def choose(self, job: Job, active: Sequence[tuple[str, Job]]) -> Device | None:
        """The emptiest device on which `job` can start beside the `active` runs; None where it has to wait.

        `active`: (name of the device, job) of the runs at work.
        """
        if len(active) >= self.limit:
            return None
        beside = {device.name: [other for name, other in active if name == device.name] for device in self.devices}
        rooms = [self._room(beside[device.name], device) for device in self.devices]
        room = max(rooms)
        device = self.devices[rooms.index(room)]
        if self.per_device is not None:
            return device if room > 0 else None
        need = self.needs.get(_kind(job))
        fits = need is not None and need * MARGIN <= room
        return device if fits or not beside[device.name] else None  # what is larger has to be tried there alone

    def _room(self, jobs: Sequence[Job], device: Device) -> float:
        if self.per_device is not None:
            return self.per_device - len(jobs)
        needs = [self.needs.get(_kind(job)) for job in jobs]
        if None in needs:
            return 0.0
        return USABLE * device.memory_mib - MARGIN * sum(need for need in needs if need)

    def learn(self, record: Mapping[str, Any]) -> None:
        """Takes what a run needed from its record."""
        if need := memory_of(record):
            key = kind(record["spec"])
            self.needs[key] = max(need, self.needs.get(key, 0.0))

    def crowded(self, job: Job) -> None:
        """Memory ran out for `job`: half as many of its kind share a device from now on."""
        if self.per_device is None:
            key = _kind(job)
            self.needs[key] = 2 * self.needs.get(key, 0.0)
        else:
            self.per_device = max(1, self.per_device // 2)
            self.limit = min(self.limit, self.per_device * len(self.devices))


def memory_of(record: Mapping[str, Any]) -> float | None:
    """MiB that a run held at most on its device; None where it was not measured."""
    timing = record["timing"]
    return timing.get("gpu_memory_mib") or timing.get("peak_memory_mib")


def measured_needs(store: Store, device: str) -> dict[bytes, float]:
    """Kind -> MiB, of the recorded runs on devices of the type of `device`."""
    field = "gpu_memory_mib" if device.startswith("cuda") else "peak_memory_mib"
    needs: dict[bytes, float] = {}
    for record in store.records(("spec", "state", "timing", "provenance.device")).records:
        need = record["timing"].get(field)
        if record["state"] == "ok" and need and record["provenance"]["device"].partition(":")[0] == _type(device):
            key = kind(record["spec"])
            needs[key] = max(need, needs.get(key, 0.0))
    return needs


def devices(names: Iterable[str]) -> list[Device]:
    """The devices of these names with the memory that is free of them now."""
    return [Device(name, _free_gpu(name) if name.startswith("cuda") else free_memory()) for name in names]


def free_memory() -> float:
    """MiB of main memory that this process and its children can still take; infinite where the system is silent."""
    limits = [float("inf")]
    with suppress(OSError, AttributeError, ValueError):
        told = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        limits.append(int(told.group(1)) * 1024 / MIB)  # type: ignore[union-attr]
    with suppress(OSError, ValueError):  # a container's own limit
        group = Path("/sys/fs/cgroup")
        limits.append((int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())) / MIB)
    return min(limits)


def _free_gpu(name: str) -> float:
    import torch

    free, _ = torch.cuda.mem_get_info(torch.device(name))
    return free / MIB


def _kind(job: Job) -> bytes:
    return kind(job.spec.model_dump(mode="json"))


def _type(device: str) -> str:
    return device.partition(":")[0]
