"""Files that cannot be used: told by the kind of their fault, not one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark.datasets.base import DataError

NAMED = 5
"""Files of each kind of fault that a message names."""


def refuse(root: Path, unusable: Mapping[str, str], total: int) -> None:
    """Raises DataError with all of `total` files that cannot be used: name -> why."""
    lines = "".join(f"\n  {line}" for line in by_kind(unusable))
    raise DataError(
        f"{len(unusable)} of {total} files in {root} cannot be used: mend or remove them, or set skip_corrupt=true; "
        f"`noisybench data info ... --skip-corrupt --left-out` names them all{lines}"
    )


def kinds(unusable: Mapping[str, str]) -> dict[str, list[str]]:
    """Kind of fault, the commonest first -> names of the files that have it; `unusable`: name -> why.

    A reason is its own kind where all files with the same words before its first colon have it, else these words are.
    """
    groups: dict[str, dict[str, str]] = {}
    for name, why in unusable.items():
        groups.setdefault(why.partition(":")[0], {})[name] = why
    told = {}
    for kind, group in groups.items():
        reasons = {*group.values()}
        told[reasons.pop() if len(reasons) == 1 else kind] = [*group]
    return dict(sorted(told.items(), key=lambda item: -len(item[1])))


def by_kind(unusable: Mapping[str, str]) -> list[str]:
    """A line per kind of fault: how many files, and the names of some."""
    return [
        f"{len(names)} file(s): {kind} ({', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''})"
        for kind, names in kinds(unusable).items()
    ]
