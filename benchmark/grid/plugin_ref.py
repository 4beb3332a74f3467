"""How a command line or a suite names a plugin and its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmark.errors import UsageError
from benchmark.option_text import Fields, located, read_text


@dataclass(frozen=True, repr=False)
class PluginRef:
    """A plugin string, "gce:q=0.5", or a table, {name = "gce", q = 0.5}. Its text is read when its plugin is known."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    """What follows the colon of a plugin string."""
    folder: Path = Path()
    """Relative paths begin here: the folder of a suite file, or the working directory."""

    @classmethod
    def of(cls, item: Any, folder: Path = Path()) -> PluginRef:
        """The plugin that `item`, a string or a mapping, names. Raises ValueError where it names none."""
        if isinstance(item, PluginRef):
            return item
        if isinstance(item, str):
            name, _, text = item.partition(":")
            return cls(_checked(name), text=text, folder=folder)
        if isinstance(item, Mapping) and isinstance(item.get("name"), str):
            options = {key: value for key, value in item.items() if key != "name"}
            return cls(_checked(item["name"]), options, folder=folder)
        raise ValueError(
            f'{item!r} names no plugin; expected a string such as "gce:q=0.5", or a table with a name such as '
            '{name = "gce", q = 0.5}'
        )

    def __repr__(self) -> str:
        """As somebody would type it: error messages show it."""
        named = ",".join(f"{key}={value}" for key, value in self.options.items())
        text = ",".join(filter(None, [self.text, named]))
        return repr(f"{self.name}:{text}" if text else self.name)

    def having(self, **options: Any) -> PluginRef:
        """The same plugin with further options."""
        return replace(self, options={**self.options, **options})

    def read(self, fields: Fields, positional: str = "") -> tuple[dict[str, Any], list[Any]]:
        """Its options by the types of `fields`, and its values without a name, as those of the field `positional`."""
        options, values = read_text(self.text, fields, positional, self.folder)
        if values and positional in {*options, *self.options}:
            raise UsageError(
                f"{self.name}:{self.text}: {positional} is given twice, as {values[0]!r} too; expected one"
            )
        if values and positional:
            values = located({positional: values}, fields, self.folder)[positional]
        return located({**options, **self.options}, fields, self.folder), values


def _checked(name: str) -> str:
    if not name.strip():
        raise ValueError('the name of a plugin is missing; expected for example "gce:q=0.5"')
    return name.strip()
