"""Requests to leave runs: how a command reaches the processes of all hosts that share a results folder.

A request is a file in `work/cancel/` that names runs, or all. It concerns those who carried them out or had them
queued when it was made: whoever begins later notes the requests that are there already, and does not heed them. So no
clock counts.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import orjson

from benchmark.store.atomic import write_atomically

FOLDER = ("work", "cancel")


def made(folder: Path) -> frozenset[str]:
    """The requests that have been made, by name. Raises OSError where the disk does not tell."""
    return frozenset(path.name for path in requests(folder))


def request(folder: Path, run_ids: Collection[str] | None) -> None:
    """Asks that these runs, or with None all, be left by whoever is at them or has them queued. Raises StoreError."""
    content = orjson.dumps(None if run_ids is None else sorted(run_ids))
    write_atomically(folder.joinpath(*FOLDER, f"{secrets.token_hex(8)}.json"), content)


def is_cancelled(folder: Path, run_id: str, before: Collection[str]) -> bool:
    """Whether it was asked that the run be left, by a request that is not among those `made` before.

    What the disk does not tell now is asked again with the next call.
    """
    with suppress(OSError):
        return any(_concerns(path, run_id) for path in requests(folder) if path.name not in before)
    return False


def requests(folder: Path) -> list[Path]:
    """Raises OSError where the disk does not tell."""
    return sorted(folder.joinpath(*FOLDER).glob("[!.]*.json"))


def _concerns(path: Path, run_id: str) -> bool:
    try:
        runs = _runs(path)
    except (OSError, ValueError):
        return False
    return runs is None or run_id in runs


@lru_cache(maxsize=64)
def _runs(path: Path) -> frozenset[str] | None:
    """The runs that a request names; None: all. A request is written whole, and never changed."""
    named = orjson.loads(path.read_bytes())
    return None if named is None else frozenset(named)
