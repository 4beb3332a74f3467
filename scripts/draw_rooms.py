#!/usr/bin/env python
"""Draws the rooms of the project and the imports between them, read from the source files, as an SVG.

    python scripts/draw_rooms.py rooms.svg

An arrow points from a room to one that it imports from; imports inside functions count. An arrow that others
imply (a to c, where a imports from b and b from c) is left out. Rooms that import each other share a floor.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
GROUND = "ground floor"
"""The files that lie directly in benchmark/."""
OUTSIDE = ("methods", "backbones")
"""The packages beside benchmark/. They are drawn as one room each."""

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 132, 46, 28, 58, 24

Graph = dict[str, set[str]]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import of the file `path`, of those inside functions too.

    `from benchmark import errors` yields "benchmark.errors". Raises ValueError at a relative import.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{path}:{node.lineno} imports by a relative name; expected `from benchmark...`")
            if node.module == "benchmark":
                yield from ((node.lineno, f"benchmark.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def room(module: str) -> str | None:
    """The room of a module's dotted name; None for modules of other packages."""
    first, *rest = module.split(".")
    if first in OUTSIDE:
        return first
    if first != "benchmark":
        return None
    is_room = bool(rest) and (ROOT / "benchmark" / rest[0]).is_dir()
    return rest[0] if is_room else GROUND


def files() -> Iterator[tuple[str, Path]]:
    """(room, file) of every Python file of benchmark/, methods/ and backbones/."""
    for package in ("benchmark", *OUTSIDE):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
            assert name is not None
            yield name, path


def room_imports() -> Graph:
    """Every room with the other rooms that its files import from."""
    graph: Graph = {}
    for name, path in files():
        targets = {room(module) for _, module in imported(path)}
        graph.setdefault(name, set()).update(target for target in targets if target and target != name)
    return graph


def closure(graph: Graph) -> Graph:
    """Every room with all rooms that can be reached from it."""
    reached = {name: set(targets) for name, targets in graph.items()}
    for middle in graph:
        for name in graph:
            if middle in reached[name]:
                reached[name] |= reached[middle]
    return reached


def floors(graph: Graph) -> dict[str, int]:
    """The floor of every room: one above the highest room that it imports from, 0 where there is none."""
    reached = closure(graph)
    below = {name: {t for t in reached[name] if name not in reached[t]} for name in graph}
    floor: dict[str, int] = {}
    for name in sorted(graph, key=lambda name: len(below[name])):
        together = [other for other in graph if other in reached[name] and name in reached[other]]
        floor[name] = max((floor[t] + 1 for one in {name, *together} for t in below[one]), default=0)
    return floor


def without_implied(graph: Graph) -> Graph:
    """The graph less the arrows that a chain of others implies."""
    reached = closure(graph)

    def implied(name: str, target: str) -> bool:
        between = (other for other in graph[name] if name not in reached[other] and other not in reached[target])
        return any(target in reached[other] for other in between)

    return {name: {target for target in graph[name] if not implied(name, target)} for name in graph}


def with_waypoints(graph: Graph, floor: dict[str, int]) -> tuple[Graph, dict[str, int]]:
    """The graph with a point on every floor that an arrow passes, so that no arrow is hidden by a box.

    Points are named "room>target@floor". Returns the new graph and the floor of everything in it.
    """
    longer: Graph = {name: set() for name in graph}
    level = dict(floor)
    for name, targets in graph.items():
        for target in targets:
            last = name
            for between in range(floor[name] - 1, floor[target], -1):
                point = f"{name}>{target}@{between}"
                level[point] = between
                longer.setdefault(last, set()).add(point)
                last = point
            longer.setdefault(last, set()).add(target)
    return longer, level


def arrange(graph: Graph, level: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Middle of the upper side of every box or waypoint: a row per floor, with few crossings.

    A row is ordered by the mean place of what its boxes import from, then of what imports from them, in turns.
    """
    rows = [sorted(name for name in level if level[name] == floor) for floor in range(max(level.values()) + 1)]
    users: Graph = {name: {user for user, targets in graph.items() if name in targets} for name in level}
    x: dict[str, float] = {}

    def spread(row: list[str]) -> None:
        widths = [GAP_X + (WIDTH if is_room(name) else 0) for name in row]
        left = -sum(widths) / 2
        for name, width in zip(row, widths, strict=True):
            x[name] = left + width / 2
            left += width

    for row in rows:
        spread(row)
    for _ in range(4):
        for order, others in ((rows, graph), (rows[::-1], users)):
            for row in order:
                beside = {name: [x[other] for other in others.get(name, ())] or [0.0] for name in row}
                row.sort(key=lambda name, beside=beside: (fmean(beside[name]), name))  # type: ignore[misc]
                spread(row)
    start = min(x[name] for name in x) - WIDTH / 2 - MARGIN
    return {name: (x[name] - start, MARGIN + (len(rows) - 1 - level[name]) * (HEIGHT + GAP_Y)) for name in level}


def is_room(name: str) -> bool:
    return "@" not in name


def draw(graph: Graph) -> str:
    """The SVG of the rooms, the highest floor at the top."""
    arrows, level = with_waypoints(without_implied(graph), floors(graph))
    place = arrange(arrows, level)
    full = max(x for x, _ in place.values()) + WIDTH / 2 + MARGIN
    tall = max(y for _, y in place.values()) + HEIGHT + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full:g} {tall:g}" font-family="sans-serif">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{full:g}" height="{tall:g}" rx="8" fill="#fafafa"/>',
    ]
    for name, target in ((user, target) for user in sorted(arrows) for target in sorted(arrows[user])):
        (x, top), (to_x, to_y) = place[name], place[target]
        y, bend = top + HEIGHT, GAP_Y / 2
        curve = f"M{x:g} {top if not is_room(name) else y:g}V{y:g}"
        curve += f"C{x:g} {y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y:g}"
        tip = ' marker-end="url(#tip)"' if is_room(target) else ""
        parts.append(f'<path d="{curve}" fill="none" stroke="#555" stroke-width="1.2"{tip}/>')
    for name in sorted(graph):
        x, y = place[name]
        fill = "#f6ead7" if name in OUTSIDE else "#e3ecf9"
        parts.append(
            f'<rect x="{x - WIDTH / 2:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}"'
            f' stroke="#555"/><text x="{x:g}" y="{y + HEIGHT / 2 + 5:g}" text-anchor="middle" font-size="15">'
            f"{escape(name)}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("expected one argument: the SVG file to write, for example rooms.svg")
    graph = room_imports()
    Path(sys.argv[1]).write_text(draw(graph), encoding="utf-8")
    arrows = sum(map(len, graph.values()))
    shown = sum(map(len, without_implied(graph).values()))
    print(f"{len(graph)} rooms on {max(floors(graph).values()) + 1} floors, {arrows} arrows, {shown} drawn")


if __name__ == "__main__":
    main()
