"""A plugin with its default options goes by its plain name."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from benchmark.cli.results import _defaults
from benchmark.registry import METHODS, NOISE, Registry
from benchmark.store.digests import canonical, to_digests
from benchmark.tables import display_names

REQUIRED = {"source": "digits", "rate": 0.2, "rho": 10.0, "labels": "worse", "csv": "labels.csv", "file": "matrix.csv"}
"""Options without a default."""


@pytest.mark.parametrize(
    ("registry", "name"),
    [(registry, entry.name) for registry in (METHODS, NOISE) for entry in registry.entries()],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_no_default_is_shown_in_a_row_name(
    registry: Registry, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("labels.csv", "matrix.csv"):
        Path(file).write_text("0.8,0.2\n0.2,0.8\n")
    plugin = registry.load(name)
    required = {key: REQUIRED[key] for key, field in plugin.Config.model_fields.items() if field.is_required()}
    config = plugin.Config.model_validate(required)
    # Through bytes, as a record's is.
    part = orjson.loads(canonical({"name": name, "config": to_digests(config.model_dump(), {})}))
    standard = _defaults(plugin)
    shown = {key: value for key, value in display_names.options(part).items() if value != standard.get(key)}
    assert shown.keys() == required.keys()


def test_a_plugin_within_the_options_is_shown_as_a_plugin_string() -> None:
    pair = {"name": "pair", "version": 1, "config": {"rate": 0.3}}
    source = {"name": "npz", "version": 1, "config": {"path": f"sha256:{'a1' * 32}"}}
    assert display_names.show(pair) == "pair:0.3"
    assert display_names.show(source) == "npz:path=sha256:a1a1a1a1"
