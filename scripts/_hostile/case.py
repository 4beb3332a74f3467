"""One hostile input: the files and the command line that a user would type on them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["refused", "either"]
"""`refused`: the input is wrong, and exit code 0 would hide it. `either`: it may be valid, as a change that does
nothing, or the command may report on it and end well."""


@dataclass(frozen=True)
class Case:
    family: str
    what: str
    """What is hostile about it."""
    arguments: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Name below the working folder -> content; they replace those of `base`."""
    base: str = ""
    """A folder of `Material` that is copied to the working folder first."""
    outcome: Outcome = "either"
    writes: tuple[str, ...] = ()
    """Names below the working folder that the command was asked to write, beside `results`."""
    reports: bool = False
    """Whether the command's answer may be a report on stdout, with exit code 1, instead of a sentence on stderr."""

    @property
    def key(self) -> str:
        """Digest of the input itself."""
        total = hashlib.sha256(repr((self.arguments, self.base)).encode("utf-8", "surrogatepass"))
        for name, content in sorted(self.files.items()):
            total.update(f"\0{name}\0".encode("utf-8", "surrogatepass") + hashlib.sha256(content).digest())
        return total.hexdigest()
