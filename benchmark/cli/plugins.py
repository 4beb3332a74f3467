"""`noisybench list`, `check` and `new`: what there is, whether it keeps its promises, how to add to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.cli.options import add_plugins

KINDS = ("datasets", "noise", "methods", "backbones", "suites")
COLUMNS = {"methods": ("family", "cost", "needs", "version", "proof", "fidelity", "reproduction")}
DEFAULTS = {"cost": "1x", "version": 1, "needs": "", "fidelity": "paper form", "reproduction": "not run"}


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--plugin", "plugins", multiple=True, type=click.Path(path_type=Path))
def list_plugins(kind: str, plugins: tuple[Path, ...]) -> None:
    """List what can be named on the command line and in suites. Nothing is imported."""
    if kind == "suites":
        _list_suites()
        return
    from benchmark.registry import ALL

    add_plugins(plugins)
    registry = next(r for r in ALL if r.plural == kind)
    columns = COLUMNS.get(kind, ("version",))
    rows = [("name", *columns, "summary")]
    for entry in registry.entries():
        facts = [_fact(entry.declared.get(column, DEFAULTS.get(column, ""))) for column in columns]
        rows.append((entry.name, *facts, entry.summary if not entry.broken else f"BROKEN: {entry.broken}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        click.echo("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))


def _fact(value: Any) -> str:
    return ", ".join(sorted(value)) if isinstance(value, (set, frozenset, tuple, list)) else str(value)


def _list_suites() -> None:
    import tomllib

    from benchmark.grid.suite import SUITES

    for path in sorted(SUITES.glob("*.toml")):
        click.echo(f"{path.stem:14} {tomllib.loads(path.read_text()).get('title', '')}")


@click.command()
@click.argument("plugin", required=False)
@click.option("--golden", type=click.Path(path_type=Path), help="Run the golden cases of a JSON file instead.")
@click.option("--option", "-o", "options", multiple=True, metavar="KEY=VALUE", help="Options of the plugin.")
def check(plugin: str | None, golden: Path | None, options: tuple[str, ...]) -> int:
    """Check that PLUGIN (a name or a file) keeps the promises that every plugin makes.

    With --golden FILE: compare methods with reference numbers, case by case.
    """
    from benchmark.errors import UsageError

    if golden is not None:
        from benchmark.checks.golden import check_file

        return check_file(golden, only=plugin)
    if plugin is None:
        raise UsageError("expected the name of a plugin, a file that holds one, or --golden FILE")
    return _check_plugin(plugin, options)


def _check_plugin(plugin: str, options: tuple[str, ...]) -> int:
    from benchmark.checks import run_checks
    from benchmark.checks.all import BY_KIND
    from benchmark.grid.plugin_ref import parse_plugin_string
    from benchmark.registry import ALL, add_plugin_file

    if plugin.endswith(".py") or "/" in plugin:
        found = add_plugin_file(Path(plugin))
    else:
        found = [(r, entry) for r in ALL for entry in r.entries() if entry.name == plugin]
        if not found:
            ALL[0].find(plugin)  # raises, with a suggestion
    chosen = parse_plugin_string(f"x:{','.join(options)}")
    del chosen["name"]
    failed = 0
    for registry, entry in found:
        registry.load(entry.name)
        for finding in run_checks(BY_KIND[registry.kind], entry.name, chosen):
            failed += bool(finding.problem)
            click.echo(f"{'FAILED' if finding.problem else 'ok':6}  {entry.name}  {finding.check}: {finding.promise}")
            if finding.problem:
                click.echo(f"        {finding.problem}")
    click.echo(f"{failed} promise(s) broken" if failed else "all promises kept")
    return 1 if failed else 0


@click.command()
@click.argument("kind", type=click.Choice(["method"]))
@click.argument("name")
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder of the new file.")
def new(kind: str, name: str, folder: Path | None) -> None:
    """Write the skeleton of a method with its test."""
    from benchmark.errors import UsageError
    from benchmark.registry import METHODS, ROOT

    if not name.isidentifier() or name != name.lower() or name.startswith("_"):
        raise UsageError(f"{name!r} is no name for a method; expected lower_case_letters, as in a file name")
    if any(entry.name == name for entry in METHODS.entries()):
        raise UsageError(f"there is a method {name!r} already ({METHODS.find(name).origin}); choose another name")
    templates = Path(__file__).parent.parent / "templates"
    target = (folder or ROOT / "methods") / f"{name}.py"
    test = (folder or ROOT / "tests" / "methods") / f"test_{name}.py"
    class_name = "".join(word.capitalize() for word in name.split("_"))
    reference = name if folder is None else str(target)
    for path, template in ((target, "method.py.txt"), (test, "test_method.py.txt")):
        if path.exists():
            raise UsageError(f"{path} exists already; remove it or choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (templates / template).read_text(encoding="utf-8")
        path.write_text(
            text.replace("{{name}}", name).replace("{{Class}}", class_name).replace("{{reference}}", reference)
        )
        click.echo(f"wrote {path}")
    click.echo(f"next: write its loss, then `noisybench check {reference}`", err=True)
