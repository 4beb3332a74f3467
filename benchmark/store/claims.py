"""Which process carries out which run, told to all others that share the results folder.

A claim is a file `work/claims/<id>.json`, created exclusively. It names the machine and the process, and its holder
writes it anew at intervals, with how far the run is. No lock of the file system is used: these fail on network disks.
The claim of a process that has ended on this machine is stale at once; any other one when an observer has seen it
unchanged for STALE_SECONDS of the observer's own clock, so that the clocks of two hosts need not agree.

Claims save double work and nothing else: records are written atomically and depend on their run alone, whoever writes
them.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import orjson

from benchmark.store.atomic import StoreError, write_atomically

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
FOLDER = ("work", "claims")


@dataclass(frozen=True)
class Holder:
    """What a claim says: who carries out the run, and how far it is."""

    run: str
    machine: str = ""
    host: str = ""
    pid: int = 0
    born: str = ""
    """When the process started, as the kernel counts: another process of the same number is another holder."""
    beat: int = 0
    epoch: int = 0
    epochs: int = 0
    doing: str = ""
    """A slow step before the first epoch."""
    started: float = 0.0
    """Seconds since 1970 by the holder's clock."""

    def here(self) -> bool:
        return self.machine == _machine()

    def ended(self) -> bool:
        """Whether the holder is known to have ended: only processes of this machine can be asked."""
        return bool(self.pid) and self.here() and _born(self.pid) != self.born

    def is_this_process(self) -> bool:
        return self.here() and self.pid == os.getpid() and self.born == _born(self.pid)


class Claim:
    """The claim of this process on a run."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self.path = path
        self.holder = holder

    def beat(self, *, epoch: int = 0, epochs: int = 0, doing: str = "") -> bool:
        """Tells that this process is at work; False where another one has taken the run over meanwhile."""
        self.holder = replace(
            self.holder,
            beat=self.holder.beat + 1,
            epoch=epoch or self.holder.epoch,
            epochs=epochs or self.holder.epochs,
            doing=doing,
        )
        present = read(self.path)
        if present is not None and not _same(present, self.holder):
            return False
        with suppress(StoreError):  # the run goes on; at worst another process makes it too
            write_atomically(self.path, orjson.dumps(self.holder))
        return True

    def release(self) -> None:
        drop(self.path, self.holder)


def place(folder: Path, run_id: str) -> Path:
    return folder.joinpath(*FOLDER, f"{run_id}.json")


def take(folder: Path, run_id: str) -> Claim | None:
    """Claims a run for this process; None where it is claimed already. Goes on where no file can be made."""
    path = place(folder, run_id)
    pid = os.getpid()
    holder = Holder(run_id, _machine(), socket.gethostname(), pid, _born(pid), started=time.time())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(orjson.dumps(holder))
    except FileExistsError:
        return None
    except OSError:
        pass  # writing the record will report the disk's error
    return Claim(path, holder)


def read(path: Path) -> Holder | None:
    """What a claim says; None if it is absent. A torn one says nothing but its run: it grows stale as others do."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        return Holder(path.stem)
    try:
        return Holder(**orjson.loads(content))
    except (ValueError, TypeError):
        return Holder(path.stem)


def held(folder: Path) -> Iterator[Holder]:
    """All claims of a results folder, live or not."""
    for path in sorted(folder.joinpath(*FOLDER).glob("[!.]*.json")):
        if holder := read(path):
            yield holder


def drop(path: Path, holder: Holder) -> None:
    """Removes the claim of `holder`, and no other one."""
    present = read(path)
    if present is not None and _same(present, holder):
        with suppress(OSError):
            path.unlink()


def drop_of_ended(folder: Path, run_id: str) -> bool:
    """Removes the claim of a process of this machine that has ended; whether the run is free now."""
    path = place(folder, run_id)
    holder = read(path)
    if holder is not None and holder.ended():
        drop(path, holder)
        return True
    return holder is None


@dataclass
class Watch:
    """One observer's view of claims over time."""

    folder: Path
    stale_seconds: float = STALE_SECONDS
    _seen: dict[str, tuple[Holder, float]] = field(default_factory=dict)

    def is_free(self, run_id: str) -> bool:
        """Whether nobody carries out the run. A stale claim is removed."""
        path = place(self.folder, run_id)
        holder = read(path)
        if holder is None:
            self._seen.pop(run_id, None)
            return True
        known, since = self._seen.get(run_id, (None, 0.0))
        now = time.monotonic()
        if known != holder:
            self._seen[run_id] = (holder, now)
            since = now
        if not holder.ended() and now - since < self.stale_seconds:
            return False
        drop(path, holder)
        self._seen.pop(run_id, None)
        return not path.exists()


def _same(one: Holder, other: Holder) -> bool:
    """Whether two readings are of one holder, at whatever moments."""
    return (one.machine, one.pid, one.born) == (other.machine, other.pid, other.born)


@cache
def _machine() -> str:
    """Tells machines apart, and containers of one machine whose process numbers are their own."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _born(pid: int) -> str:
    """When a process of this machine started; "" where there is none, or only a zombie; "?" where it cannot be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
        return "?" if _alive(pid) else ""
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
