"""Which checks belong to which kind of plugin."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from backbones.settings import Settings
from benchmark.checks import backbones, datasets, methods, noise
from benchmark.checks.lab import one_thread
from benchmark.checks.options import check_options
from benchmark.checks.runner import CheckFailed, Finding, Runner
from benchmark.registry import Registry, RegistryError

BY_KIND: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "method": methods.CHECKS,
    "backbone": backbones.CHECKS,
    "data set": datasets.CHECKS,
    "noise": noise.CHECKS,
}
DECLARATIONS = {"card", "version", "names", "_abc_impl"}
"""Class attributes that say what a plugin is and do not change what it does."""


def check_plugin(registry: Registry[Any], name: str, options: dict[str, Any]) -> Iterator[Finding]:
    """Runs every check of the plugin's kind, in order; ends where one fails that the others build on.

    The others build on `has_a_config` and on the first check of a kind. Raises RegistryError where the plugin cannot
    be loaded, and UsageError for options that it does not have.
    """
    loaded(registry, name)
    runner = Runner(registry.find(name).path)
    with one_thread():
        for finding in runner.run({"has_a_config": has_a_config}, registry, name):
            yield finding
            if finding.problem:
                return
        check_options(registry, name, options)
        yield from runner.run({"overrides_something": overrides_something}, registry, name)
        for finding in runner.run(BY_KIND[registry.kind], name, options):
            yield finding
            if finding.problem and finding.check == next(iter(BY_KIND[registry.kind])):
                return


def loaded(registry: Registry[Any], name: str) -> Any:
    """The plugin class. Raises RegistryError, with the line of the plugin's own files that stopped its import."""
    try:
        return registry.load(name)
    except RegistryError as error:
        place = Runner(registry.find(name).path).place(error.__cause__) if error.__cause__ else ""
        raise (RegistryError(f"{place}: {error}") if place else error) from error


def has_a_config(registry: Registry[Any], name: str) -> None:
    """Its Config derives from that of its base class."""
    config, base = registry.load(name).Config, getattr(importlib.import_module(registry.base_module), registry.base)
    required = base.Config if base.Config.model_fields else Settings
    if not (isinstance(config, type) and issubclass(config, required)):
        raise CheckFailed(
            f"its Config is no {registry.base}.Config, so that options would be neither checked nor part of a run's "
            f"identity; write `class Config({registry.base}.Config):`"
        )


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
