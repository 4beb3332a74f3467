"""The kinds of figures, and one of them as the bytes of a file."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from benchmark.errors import UsageError, pip_install

if TYPE_CHECKING:
    from benchmark.report.figures.captions import Material

KINDS = {
    "rate": "rates",
    "heatmap": "rates",
    "curves": "training",
    "memorization": "training",
    "confusion": "predictions",
    "reliability": "predictions",
    "ranks": "order",
    "matrix": "order",
    "cost": "cost",
    "transition": "transition",
}
"""Kind -> the module of this package with the function of that name that draws it."""
SUFFIXES = (".png", ".svg", ".pdf")
PACKAGE = "matplotlib>=3.9,<4"


def check_package() -> None:
    """Raises UsageError where matplotlib is missing: it is no dependency of anything else here."""
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise UsageError(
            f"figures need matplotlib, which cannot be imported ({error}); expected the extra [figures]: "
            + pip_install(PACKAGE)
        ) from error


def draw(kind: str, material: Material, suffix: str) -> tuple[bytes, list[str]]:
    """The file of a figure, and what is said of it beside its caption. Raises TableError where it cannot be drawn."""
    from benchmark.report.figures import canvas

    _check_runs(material)
    module = importlib.import_module(f"benchmark.report.figures.{KINDS[kind]}")
    with canvas.style():
        page = getattr(module, kind)(material)
        return canvas.encoded(page, suffix), page.notes


def _check_runs(material: Material) -> None:
    """Raises TableError where there is no run to draw, which every kind would call by another name."""
    from benchmark.tables import shown
    from benchmark.tables.comparable import TableError

    rows = [shown.runs(one) for one in material.blocks]
    if not any((of_block["state"] != "missing").any() for of_block in rows):
        raise TableError("there are no runs to draw; `noisybench run SUITE` makes some (--results DIR)")
    if not any((of_block["state"] == "ok").any() for of_block in rows):
        raise TableError(
            "no run of what is drawn came to its end; `noisybench status` says why, and `noisybench run` makes it again"
        )
