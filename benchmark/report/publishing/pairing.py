"""Which block of one table belongs to which of another, so that their cells can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from benchmark.option_text import flattened
from benchmark.tables.comparable import PARTS
from benchmark.tables.comparison import Block, Table
from benchmark.tables.display_names import show

NOT_THERE = "left out, as the other side has no runs of this recipe and protocol"
NOT_CLEAR = "left out, as several recipes of one side could be compared with it"
_ELSEWHERE = (*PARTS, "track", "protocol", "seeds")
"""Fields of a spec that have rows of their own."""


@dataclass(frozen=True)
class Pair:
    """Two blocks of one data set, backbone and track. Recipe, metric and protocol may differ."""

    name: str
    a: Block
    b: Block


@dataclass(frozen=True)
class Alone:
    """A block that is compared with none."""

    name: str
    block: Block
    of_a: bool
    why: str
    """"" where the other table has nothing of this data set, backbone and track."""


@dataclass(frozen=True)
class Pairing:
    pairs: tuple[Pair, ...]
    alone: tuple[Alone, ...]


def pairing(a: Table, b: Table) -> Pairing:
    """Blocks of equal recipe and protocol belong together, then those of equal recipe, then the last of each side."""
    by_name = [_by_name(table) for table in (a, b)]
    pairs: list[Pair] = []
    alone: list[Alone] = []
    for name in sorted({*by_name[0], *by_name[1]}):
        left, right = (list(side.get(name, ())) for side in by_name)
        told = _told_apart(name, [*left, *right]) if max(len(left), len(right)) > 1 else {}
        why = {True: NOT_THERE if right else "", False: NOT_THERE if left else ""}
        for key in (_recipe_and_protocol, conditions, _any):
            for one, other in list(_matches(left, right, key)):
                pairs.append(Pair(told.get(id(one), name), one, other))
                left = [block for block in left if block is not one]
                right = [block for block in right if block is not other]
        if left and right:
            why = {True: NOT_CLEAR, False: NOT_CLEAR}
        for of_a, blocks in ((True, left), (False, right)):
            alone += [Alone(told.get(id(block), name), block, of_a, why[of_a]) for block in blocks]
    return Pairing(tuple(pairs), tuple(alone))


def conditions(block: Block) -> dict[str, Any]:
    """What all runs of a block share, whatever their method and noise: the recipe by field, and the metric."""
    spec = _spec(block)
    shared = {key: value for key, value in spec.items() if key not in _ELSEWHERE}
    recipe = shared.pop("recipe", None) or {}
    fields = {key: value for part in (recipe, shared) for key, value in _leaves(part)}
    return {"metric": block.metric, **fields}


def _by_name(table: Table) -> Mapping[str, list[Block]]:
    """Short names are told apart within one table only."""
    names: dict[str, list[Block]] = {}
    for block in table.blocks:
        place = block.place
        name = ", ".join((block.whole(place.dataset), block.whole(place.backbone), f"{place.track} track"))
        names.setdefault(name, []).append(block)
    return names


def _matches(
    left: Sequence[Block], right: Sequence[Block], key: Callable[[Block], object]
) -> Iterator[tuple[Block, Block]]:
    """The blocks that are the only ones of their `key` on both sides."""
    for one in left:
        own, others = ([block for block in side if key(block) == key(one)] for side in (left, right))
        if len(own) == len(others) == 1:
            yield one, others[0]


def _told_apart(name: str, blocks: Sequence[Block]) -> dict[int, str]:
    """id of a block -> `name` with the fields in which these blocks differ."""
    of_block = [{**conditions(block), "protocol": _spec(block)["protocol"]} for block in blocks]
    keys = [key for key in dict.fromkeys(key for one in of_block for key in one) if len(_values(of_block, key)) > 1]
    return {
        id(block): ", ".join((name, *(f"{key}={show(one.get(key))}" for key in keys)))
        for block, one in zip(blocks, of_block, strict=True)
    }


def _values(of_block: Sequence[Mapping[str, Any]], key: str) -> set[str]:
    return {show(one.get(key)) for one in of_block}


def _recipe_and_protocol(block: Block) -> object:
    return conditions(block), _spec(block)["protocol"]


def _any(block: Block) -> object:
    return ()


def _spec(block: Block) -> dict[str, Any]:
    """Of one of its runs."""
    spec: dict[str, Any] = orjson.loads(block.runs["spec_key"].iloc[0])
    return spec


def _leaves(part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """By path; what is unset is left out, as fields that were added later are unset in older records."""
    for key, value in part.items():
        for path, leaf in flattened(key, value):
            if leaf is not None:
                yield path, leaf
