"""Options that hold several texts."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator


def texts(value: Any) -> Any:
    """ "A+B", "[A,B]", "A", ["A", 1] or -1 as a tuple of texts."""
    if isinstance(value, str):
        within = value[1:-1] if value[:1] + value[-1:] == "[]" else value
        return tuple(filter(None, (part.strip() for part in re.split(r"[+,]" if within != value else r"\+", within))))
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def one_sign_a_letter(value: Any) -> Any:
    """Texts in which a letter such as ä, which a Mac writes as two signs, is one, as in `_sheets.text_of`."""
    if isinstance(value, tuple):
        return tuple(map(one_sign_a_letter, value))
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


Name = Annotated[str, AfterValidator(one_sign_a_letter)]
Texts = Annotated[tuple[str, ...], AfterValidator(one_sign_a_letter), BeforeValidator(texts)]
