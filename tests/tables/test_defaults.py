"""A plugin with its default options goes by its plain name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from benchmark.cli.results import _defaults
from benchmark.registry import METHODS, NOISE, Registry
from benchmark.store.digests import canonical, to_digests
from benchmark.tables import display_names


@pytest.mark.parametrize(
    ("registry", "name"),
    [(registry, entry.name) for registry in (METHODS, NOISE) for entry in registry.entries()],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_no_default_is_shown_in_a_row_name(registry: Registry, name: str) -> None:
    plugin = registry.load(name)
    try:
        config = plugin.Config()
    except ValidationError:
        config = plugin.Config.model_construct()  # an option that must be given is no default
    # Through bytes, as a record's is.
    import orjson

    part = orjson.loads(canonical({"name": name, "config": to_digests(config.model_dump(), {})}))
    standard = _defaults(plugin)
    shown = {key: value for key, value in display_names.options(part).items() if value != standard.get(key)}
    assert shown == {}
