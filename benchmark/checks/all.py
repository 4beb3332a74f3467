"""Which checks belong to which kind of plugin."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmark.checks import backbones, datasets, methods, noise
from benchmark.checks.runner import CheckFailed, Finding, run_checks
from benchmark.registry import Registry

BY_KIND: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "method": methods.CHECKS,
    "backbone": backbones.CHECKS,
    "data set": datasets.CHECKS,
    "noise": noise.CHECKS,
}
DECLARATIONS = {"card", "version", "names", "_abc_impl"}
"""Class attributes that say what a plugin is and do not change what it does."""


def check_plugin(registry: Registry[Any], name: str, options: dict[str, Any]) -> Iterator[Finding]:
    """Runs every check of the plugin's kind. Raises RegistryError where it cannot be loaded."""
    registry.load(name)
    yield from run_checks({"overrides_something": overrides_something}, registry, name)
    yield from run_checks(BY_KIND[registry.kind], name, options)


def overrides_something(registry: Registry[Any], name: str) -> None:
    """Differs in its code from the plugin that it derives from."""
    plugin = registry.load(name)
    others = {(entry.module, entry.attribute) for entry in registry.entries()}
    others.add((registry.base_module, registry.base))
    classes = list(itertools.takewhile(lambda c: c is plugin or _place(c) not in others, plugin.__mro__))
    parent = plugin.__mro__[len(classes)]
    overridden = {key for cls in classes for key in vars(cls) if not (key.startswith("__") and key.endswith("__"))}
    if _place(parent) != (registry.base_module, registry.base) and not overridden - DECLARATIONS:
        raise CheckFailed(
            f"{plugin.__name__} overrides nothing of {parent.__name__} ({parent.__module__}): it is the same "
            f"{registry.kind} under another name; override what shall differ, such as a default of its Config"
        )


def _place(one: type) -> tuple[str, str]:
    return one.__module__, one.__name__
