"""Names processes across machines, and tells of those of this machine whether they have ended."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

UNKNOWN = "unknown"
_TEXT = re.compile(r"([0-9a-f]{8})-(\d+)-(\w+)")


@dataclass(frozen=True)
class ProcessId:
    """A process, as others can name it that share a disk with it."""

    machine: str = ""
    """Of a machine as long as it is up, or of a container whose process numbers are its own."""
    pid: int = 0
    born: str = ""
    """When it started, as the kernel counts: another process of the same number is another one."""

    def ended(self) -> bool:
        """Whether it is known to have ended: only processes of this machine can be asked."""
        if not self.pid or self.machine != machine():
            return False
        now = born(self.pid)
        return now == "" or (UNKNOWN not in (now, self.born) and now != self.born)

    def wait(self, seconds: float) -> None:
        """Until it has ended, at most for `seconds`; not at all where that cannot be told."""
        end = time.monotonic() + seconds
        while self.born != UNKNOWN and not self.ended() and time.monotonic() < end:
            time.sleep(0.01)

    def __str__(self) -> str:
        return f"{self.machine}-{self.pid}-{self.born}"


def of(pid: int) -> ProcessId:
    """A process of this machine."""
    return ProcessId(machine(), pid, born(pid))


def this_process() -> ProcessId:
    return of(os.getpid())


def in_text(text: str) -> ProcessId | None:
    """The process that `text` names, as str(ProcessId) writes it somewhere in it."""
    match = _TEXT.search(text)
    return ProcessId(match[1], int(match[2]), match[3]) if match else None


@cache
def machine() -> str:
    """8 hex digits for this machine since it started, and this space of process numbers."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]


def born(pid: int) -> str:
    """When a process of this machine started; "" where there is none, or only a zombie; UNKNOWN where that cannot be
    told, as on systems without /proc, or where it hides the processes of other users."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return UNKNOWN if os.name == "nt" or _alive(pid) else ""  # signal 0 is Ctrl-C on Windows
    except ProcessLookupError:  # it ended while it was read
        return ""
    except OSError:
        return UNKNOWN
    return "" if fields[0] in "ZX" else fields[19]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
