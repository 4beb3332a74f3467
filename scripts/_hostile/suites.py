"""Suite files: real ones with changed values, keys and bytes."""

from __future__ import annotations

import datetime
import json
import math
import tomllib
from collections.abc import Iterator
from random import Random
from typing import Any

from scripts._hostile import texts
from scripts._hostile.case import Case, Outcome
from scripts._hostile.material import CELLS, Material
from scripts._hostile.trial import ROOT

SUITES = sorted((ROOT / "benchmark" / "grid" / "suites").glob("*.toml"))
SMALL = """
title = "small"
datasets = ["npz:cells.npz"]
backbones = ["cnn"]
methods = ["ce", { name = "gce", q = 0.5 }]
noise = ["none", "symmetric:0.2,0.4"]
seeds = 2
tracks = ["blind"]
subset = 100

[extra_tests]
other = "npz:cells.npz"

[recipe]
epochs = 2
lr = 1e-3

[recipe.augment]
flip = true
"""
FREE = ("title", "name", "assumptions")
"""Keys whose values are for people: any text may be right."""
COMMANDS = (
    ("run", "suite.toml", "--dry-run"),
    ("status", "suite.toml"),
    ("runs", "suite.toml"),
    ("table", "suite.toml"),
)


def draw(material: Material, random: Random) -> Case:
    text = SMALL if random.random() < 0.6 else random.choice(SUITES).read_text(encoding="utf-8")
    kind = random.choice([_value, _value, _value, _key, _lines, _bytes, _nested])
    what, content, outcome = kind(text, random)
    arguments = COMMANDS[0] if random.random() < 0.8 else random.choice(COMMANDS[1:])
    # A grid of whose runs none is there is an error of its own for the reading commands.
    return Case("suites", what, arguments, {"suite.toml": content}, CELLS, outcome, reports=arguments[0] == "run")


def _value(text: str, random: Random) -> tuple[str, bytes, Outcome]:
    """Another value at one place."""
    suite = tomllib.loads(text)
    places = [place for place in _places(suite) if place]
    place = random.choice(places)
    value, never_right = _hostile(random)
    holder: Any = suite
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    refused = never_right and place[0] not in FREE
    what = f"{'.'.join(map(str, place))} = {_toml(value)[:60]}"
    return what, _dump(suite), "refused" if refused else "either"


def _hostile(random: Random) -> tuple[Any, bool]:
    """A value, and whether it is right nowhere but in a text for people."""
    deep: Any = 1
    for _ in range(random.choice([3, 60])):
        deep = [deep]
    return random.choice(
        [
            (random.choice(texts.NUMBERS), False),
            (texts.text(random), False),
            (float("nan"), True),
            (float("inf"), True),
            (10**30, True),
            (datetime.date(2026, 1, 1), True),
            (datetime.time(1, 2), True),
            (deep, True),
            ({"__class__": "x"}, True),
            ({texts.text(random): 1}, True),
            ([texts.text(random)], False),
            ([], False),
            (random.choice([True, False]), False),
            ("<script>alert(1)</script>", True),
            ("../../outside/canary.txt", True),
            ([None for _ in range(0)] + [True, "x", 1], True),
        ]
    )


def _key(text: str, random: Random) -> tuple[str, bytes, Outcome]:
    """An unknown key, at the top or in a section."""
    suite = tomllib.loads(text)
    tables = [suite, *(value for value in suite.values() if isinstance(value, dict))]
    name = texts.text(random) or "x"
    random.choice(tables)[name] = random.choice([1, "x", [1], {"a": 1}])
    return f"key {name[:40]!r}", _dump(suite), "either"


def _lines(text: str, random: Random) -> tuple[str, bytes, Outcome]:
    """Lines doubled, moved or cut, which is right only where the file still says the same."""
    lines = text.splitlines()
    number = random.randrange(len(lines))
    kind = random.choice(["doubled", "removed", "cut", "moved"])
    line = lines.pop(number)
    if kind == "doubled":
        lines[number:number] = [line, line]
    elif kind == "cut":
        lines.insert(number, line[: random.randrange(max(1, len(line)))])
    elif kind == "moved":
        lines.insert(random.randrange(len(lines) + 1), line)
    return f"a line {kind}", "\n".join(lines).encode(), "either"


def _bytes(text: str, random: Random) -> tuple[str, bytes, Outcome]:
    encoding = random.choice(["utf-8", "utf-8", "utf-16", "utf-8-sig", "utf-32"])
    if encoding != "utf-8" and random.random() < 0.5:
        return f"in {encoding}", text.encode(encoding), "either" if encoding == "utf-8-sig" else "refused"
    what, content = texts.damaged(text.encode(encoding), random)
    return f"bytes {what}", content, "either"


def _nested(text: str, random: Random) -> tuple[str, bytes, Outcome]:
    """Nesting, tables and numbers by the thousand."""
    many = random.choice([100, 2_000, 100_000])
    begins, ends = random.choice([("[", "]"), ("{a=", "}")])
    added = random.choice(
        [
            f"x = {begins * many}1{ends * many}",
            f"seeds = {'9' * many}",
            f"{'a.' * many}b = 1",
            f"[{'a.' * many}b]",
            "\n".join(f"k{i} = {i}" for i in range(many)),
            f"lr = 0.{'0' * many}1",
        ]
    )
    return f"{added[:20]}... ({len(added)} characters)", f"{added}\n{text}".encode(), "refused"


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from _places(inner, (*place, name))


def _dump(table: dict[str, Any]) -> bytes:
    return "".join(f"{json.dumps(name)} = {_toml(value)}\n" for name, value in table.items()).encode()


def _toml(value: Any) -> str:
    """`value` as TOML; tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, str):  # JSON writes what TOML reads, but for these
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
