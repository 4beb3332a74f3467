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

    path = ref.folder / expanded(ref.name)
    if DATASETS.get(ref.name) is not None or not exists(path):
        return
    kind = "folder" if path.is_dir() else KINDS.get(path.suffix.lower().removeprefix("."))
    if kind is not None:
        meant = ",".join(filter(None, [quote(ref.name), ref.text]))
        raise UsageError(f"{ref.name!r} is a file or folder and names no data set; did you mean {kind}:{meant}?")
