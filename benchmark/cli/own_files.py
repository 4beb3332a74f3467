"""What to type where a file or folder of somebody's own is named without the data set that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.grid.plugin_ref import PluginRef

KINDS = {"npz": "npz", **dict.fromkeys(("toml", "csv", "tsv", "xlsx", "parquet"), "table"), "zip": "folder"}
"""The data set that reads a file, by how its name ends."""


def refuse_without_kind(ref: PluginRef) -> None:
    """Raises UsageError where `ref` names a file or folder and no data set."""
    from benchmark.errors import UsageError
    from benchmark.option_text import exists, expanded, quote
    from benchmark.registry import DATASETS

    if DATASETS.get(ref.name) is not None:
        return
    # Without a kind there is no colon, and what follows a comma may be options.
    ends = [*(place for place, letter in enumerate(ref.name) if letter == ","), len(ref.name)]
    names = [ref.name[:end] for end in ends if ref.name[:end] and exists(ref.folder / expanded(ref.name[:end]))]
    if not names:
        return
    path = ref.folder / expanded(names[-1])
    kind = "folder" if path.is_dir() else KINDS.get(path.suffix.lower().removeprefix("."))
    if kind is not None:
        options = ref.name[len(names[-1]) :].removeprefix(",")
        meant = ",".join(filter(None, [quote(names[-1]), options, ref.text]))
        raise UsageError(f"{names[-1]!r} is a file or folder and names no data set; did you mean {kind}:{meant}?")
