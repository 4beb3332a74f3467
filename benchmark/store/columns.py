"""What the parts of a record's definition share: that a field is of its type and known, and columns of figures."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import ConfigDict, with_config

STRICT = with_config(ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True))

Column: TypeAlias = list[float | None]
"""[epochs] a figure per epoch, to five digits; None where it is undefined."""
Columns: TypeAlias = dict[str, Column]
