"""Options that hold several texts."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from benchmark.store.spreadsheet import composed


def texts(value: Any) -> Any:
    """ "A+B", "[A,B]", "A", ["A", 1] or -1 as a tuple of texts."""
    if isinstance(value, str):
        within = value[1:-1] if value[:1] + value[-1:] == "[]" else value
        return tuple(filter(None, (part.strip() for part in re.split(r"[+,]" if within != value else r"\+", within))))
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


Name = Annotated[str, AfterValidator(composed)]
"""As a table's cells are read."""
Texts = Annotated[tuple[Name, ...], BeforeValidator(texts)]
