"""The one base of every configuration: plugins' options, recipes, run specs. Imports no torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Immutable; refuses unknown keys and non-finite numbers.

    The docstring below a field is its help text: `noisybench show` prints it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
