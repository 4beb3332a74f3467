"""Standard streams on which no text can move the cursor, hide itself or turn around what stands beside it.

Names of classes, files and options come from data, suites and records of others, and are printed in many places.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from benchmark.escapes import visible_lines


class Visible:
    """A text stream that writes control characters out, as "\\x1b", except line breaks and tabs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(visible_lines(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def raw(stream: TextIO) -> TextIO:
    """What `stream` writes to, for a program of our own that moves the cursor, such as a progress bar."""
    return stream.stream if isinstance(stream, Visible) else stream


@contextmanager
def visible_streams() -> Iterator[None]:
    """Makes stdout and stderr Visible."""
    former = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, stream and Visible(stream)) for stream in former)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = former
