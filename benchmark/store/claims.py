"""Which process carries out which run, told to all others that share the results folder.

A claim is a file `work/claims/<id>.json`, created exclusively. It names the machine and the process, and its holder
writes it anew at intervals, with how far the run is. No lock of the file system is used: these fail on network disks.
The claim of a process that has ended on this machine is stale at once; any other one when an observer has seen it
unchanged for STALE_SECONDS of the observer's own clock, so that the clocks of two hosts need not agree.

Claims save double work and nothing else: records are written atomically and depend on their run alone, whoever writes
them.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
from pydantic import TypeAdapter

from benchmark.store.atomic import StoreError, write_atomically
from benchmark.store.processes import ProcessId, this_process
from benchmark.store.readable import present

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

    @property
    def process(self) -> ProcessId:
        return ProcessId(self.machine, self.pid, self.born)


class Claim:
    """The claim of this process on a run."""

    def __init__(self, path: Path, holder: Holder, written: bool) -> None:
        """`written`: whether others can see it. Where no file can be made, a run goes on without."""
        self.path = path
        self.holder = holder
        self.written = written

    def beat(self, *, epoch: int = 0, epochs: int = 0, doing: str = "") -> bool:
        """Tells that this process is at work; False where another one has taken the run over meanwhile."""
        self.holder = replace(
            self.holder,
            beat=self.holder.beat + 1,
            epoch=epoch or self.holder.epoch,
            epochs=epochs or self.holder.epochs,
            doing=doing,
        )
        try:
            said = _read(self.path)
        except OSError:
            return True  # the disk fails for now
        if said is None and not self.written:
            self.written = _create(self.path, self.holder)
            with suppress(StoreError):
                return self.written or not present(self.path)
            return True
        if said is None or said.process != self.holder.process:
            return False
        with suppress(StoreError):  # the run goes on; at worst another process makes it too
            write_atomically(self.path, orjson.dumps(self.holder), durable=False)
        return True

    def release(self) -> None:
        drop(self.path, self.holder)


def place(folder: Path, run_id: str) -> Path:
    return folder.joinpath(*FOLDER, f"{run_id}.json")


def take(folder: Path, run_id: str) -> Claim | None:
    """Claims a run for this process; None where it is claimed already. Goes on where no file can be made."""
    path = place(folder, run_id)
    me = this_process()
    holder = Holder(run_id, me.machine, socket.gethostname(), me.pid, me.born, started=time.time())
    if _create(path, holder):
        return Claim(path, holder, written=True)
    with suppress(StoreError):
        if present(path):
            return None
    return Claim(path, holder, written=False)  # writing the record will report the disk's error


def read(path: Path) -> Holder | None:
    """What a claim says; None if it is absent. One that is torn or cannot be read says nothing but its run: it grows
    stale as others do."""
    try:
        return _read(path)
    except OSError:
        return Holder(path.stem)


def held(folder: Path) -> Iterator[Holder]:
    """All claims of a results folder, live or not."""
    for path in sorted(folder.joinpath(*FOLDER).glob("[!.]*.json")):
        if holder := read(path):
            yield holder


def drop(path: Path, holder: Holder) -> None:
    """Removes the claim of `holder`, and no other one."""
    said = read(path)
    if said is not None and said.process == holder.process:
        with suppress(OSError):
            path.unlink()


def drop_of_ended(folder: Path, run_id: str) -> bool:
    """Removes the claim of a process of this machine that has ended; whether the run is free now."""
    path = place(folder, run_id)
    holder = read(path)
    if holder is not None and holder.process.ended():
        drop(path, holder)
        return True
    return holder is None


@dataclass
class Watch:
    """One observer's view of claims over time."""

    folder: Path
    stale_seconds: float = field(default_factory=lambda: STALE_SECONDS)
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
        if not holder.process.ended() and now - since < self.stale_seconds:
            return False
        drop(path, holder)
        self._seen.pop(run_id, None)
        with suppress(StoreError):
            return not present(path)
        return False


def _create(path: Path, holder: Holder) -> bool:
    """Makes a claim; False where there is one, or where no file can be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    except OSError:
        return False
    try:
        with file:
            file.write(orjson.dumps(holder))
    except OSError:
        with suppress(OSError):
            path.unlink()  # a full disk takes names but no content: an empty claim would hold everybody up
        return False
    return True


def _read(path: Path) -> Holder | None:
    """As `read`. Raises OSError where it cannot be read now."""
    try:
        holder = _HOLDER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return Holder(path.stem)
    return holder if holder.run == path.stem else Holder(path.stem)


_HOLDER = TypeAdapter(Holder)
