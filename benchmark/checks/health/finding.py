"""What a check of the machine found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "note", "broken"]
"""note: grids run, but not as they could; broken: they fail, or records may be lost."""


@dataclass(frozen=True)
class Report:
    """One sentence, and what to do about it."""

    level: Level
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.level:6}  {self.what}" + (f": {self.mend}" if self.mend else "")
