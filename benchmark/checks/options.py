"""Checks the options that a plugin is checked with."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from benchmark.errors import UsageError
from benchmark.grid.faults import faults_of
from benchmark.registry import Registry


def check_options(registry: Registry[Any], name: str, options: dict[str, Any]) -> None:
    """Raises UsageError with every fault of `options`; options that are absent but required are no fault here."""
    config = registry.load(name).Config
    try:
        config.model_validate(options)
    except ValidationError as error:
        absent = {fault["loc"][0] for fault in error.errors() if fault["type"] == "missing"} - options.keys()
        faults = [fault for fault in faults_of(error, config.model_fields) if fault.split(":")[0] not in absent]
        if faults:
            raise UsageError(f"{registry.kind} {name!r}: {'; '.join(faults)}") from None
