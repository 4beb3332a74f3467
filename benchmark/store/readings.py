"""Which records this process has read, so that an error on the way can be told from a fault of theirs.

Records are not compared with their definition whenever they are read: it would take as long as reading them. Their
digest shows damage; a record that another program wrote may have the right digest and a field of another type.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.store.atomic import StoreError

_read: set[Path] = set()


def note(place: Path) -> None:
    """`place`: a results folder, or a file of published records."""
    _read.add(place)


def forget() -> None:
    """Another command begins."""
    _read.clear()


def fault() -> StoreError | None:
    """The first fault of the records that were read since `forget`; None where they are as they are defined."""
    from benchmark.store import published, schema
    from benchmark.store.atomic import StoreError

    try:
        for place in sorted(_read):
            for record in published.whole(place):
                if problem := schema.fault(record):
                    return published.damaged(place, f"the record of {record['id']} {problem}")
    except StoreError as error:
        return error
    return None
