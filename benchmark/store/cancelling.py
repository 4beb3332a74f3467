"""Requests to leave runs: how a command reaches the processes of all hosts that share a results folder.

A request is a file in `work/cancel/` that names runs, or all. It concerns those who carried them out or had them
queued when it was made, by the clock of the file system, which all of them share: whoever begins later does not heed
it. Its readers look whether the folder has changed, which costs one call a look.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

import orjson

from benchmark.store.atomic import write_atomically

FOLDER = ("work", "cancel")


def moment(folder: Path) -> float:
    """Now in seconds, by the clock of the file system; by that of this machine where no file can be made."""
    try:
        (work := folder / "work").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=work) as file:
            file.write(b"now")
            file.flush()
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def request(folder: Path, run_ids: Collection[str] | None) -> None:
    """Asks that these runs, or with None all, be left by whoever is at them or has them queued. Raises StoreError."""
    content = orjson.dumps(None if run_ids is None else sorted(run_ids))
    write_atomically(folder.joinpath(*FOLDER, f"{secrets.token_hex(8)}.json"), content)


def is_cancelled(folder: Path, run_id: str, since: float) -> bool:
    """Whether it was asked since a `moment` that the run be left."""
    place = folder.joinpath(*FOLDER)
    if _changed(place) < since:
        return False
    for path in requests(folder):
        changed = _changed(path)
        if changed >= since:
            runs = _runs(path, changed)
            if runs is None or run_id in runs:
                return True
    return False


def requests(folder: Path) -> list[Path]:
    return sorted(folder.joinpath(*FOLDER).glob("[!.]*.json"))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return float("-inf")


@lru_cache(maxsize=64)
def _runs(path: Path, changed: float) -> frozenset[str] | None:
    """The runs that a request names; None: all. One that was written whole is never changed."""
    try:
        named = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return frozenset()
    return None if named is None else frozenset(named)
