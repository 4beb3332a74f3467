"""`noisybench list`, `check` and `new`: lists plugins, checks them, and writes skeletons of new ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.cli.options import UserPath, add_plugins, say_what_takes_time

KINDS = ("datasets", "noise", "methods", "backbones", "suites")
COLUMNS = {"methods": ("family", "cost", "needs", "version", "proof", "fidelity", "reproduction")}
NEW = ("method", "backbone", "noise", "dataset")
TEMPLATES = Path(__file__).parent / "templates"


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--plugin", "plugins", multiple=True, type=UserPath())
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
        facts = [_cell(column, entry.fact(column)) for column in columns]
        rows.append((entry.name, *facts, entry.summary if not entry.broken else f"BROKEN: {entry.broken}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        click.echo("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))


def _cell(column: str, value: Any) -> str:
    if column == "cost" and not isinstance(value, str):
        return f"{value:g}x"
    return ", ".join(sorted(value)) if isinstance(value, (set, frozenset, tuple, list)) else str(value)


def _list_suites() -> None:
    import tomllib

    from benchmark.grid.suite import SUITES

    for path in sorted(SUITES.glob("*.toml")):
        click.echo(f"{path.stem:14} {tomllib.loads(path.read_text(encoding='utf-8')).get('title', '')}")


@click.command()
@click.argument("plugin", required=False)
@click.option("--golden", type=UserPath(), help="Run the golden cases of a JSON file instead.")
@click.option("--option", "-o", "options", multiple=True, metavar="KEY=VALUE", help="Options of the plugin.")
def check(plugin: str | None, golden: Path | None, options: tuple[str, ...]) -> int:
    """Check that PLUGIN (a name, a file, or one class as FILE:CLASS) keeps the promises of its kind.

    With --golden FILE: compare methods with golden numbers, case by case.
    """
    from benchmark.errors import UsageError

    say_what_takes_time("checking")
    if golden is not None:
        from benchmark.checks.golden import check_file

        return check_file(golden, only=plugin)
    if plugin is None:
        raise UsageError("expected the name of a plugin, a file that holds one, or --golden FILE")
    return _check_plugin(plugin, options)


def _check_plugin(plugin: str, options: tuple[str, ...]) -> int:
    from benchmark.checks.all import BY_KIND, check_plugin, loaded
    from benchmark.errors import UsageError
    from benchmark.option_text import read_items
    from benchmark.registry import named

    plugins = named(plugin)
    failed = 0
    for registry, name in plugins:
        # A Config of another kind has no fields to read; the check says so.
        settings, unnamed = read_items(options, getattr(loaded(registry, name).Config, "model_fields", {}))
        if unnamed:
            raise UsageError(f"--option {unnamed[0]!r}: expected KEY=VALUE, for example --option q=0.5")
        tried, repeated = set(), []
        for finding in check_plugin(registry, name, settings):
            tried.add(finding.check)
            failed += bool(finding.problem)
            if finding.same_as:
                repeated.append(finding.check)
                continue
            click.echo(f"{'FAILED' if finding.problem else 'ok':6}  {name}  {finding.check}: {finding.promise}")
            if finding.problem:
                click.echo(f"        {finding.problem}")
        if repeated:
            click.echo(f"FAILED  {name}  for the same reasons as above: {', '.join(repeated)}")
        if untried := [check for check in BY_KIND[registry.kind] if check not in tried]:
            click.echo(f"        not tried before that is mended: {', '.join(untried)}")
    click.echo(f"{failed} promise(s) broken" if failed else "all promises kept")
    return 1 if failed else 0


@click.command()
@click.argument("kind", type=click.Choice(NEW))
@click.argument("name")
@click.option(
    "--to",
    "folder",
    type=UserPath(file_okay=False),
    help="Folder of the new files.  [default: beside noisybench's own of that kind]",
)
def new(kind: str, name: str, folder: Path | None) -> None:
    """Write a working skeleton of a plugin, and its test."""
    from benchmark.errors import UsageError
    from benchmark.registry import ALL, ROOT

    registry = next(r for r in ALL if r.word == kind)
    if not name.isidentifier() or name != name.lower() or name.startswith("_"):
        raise UsageError(f"{name!r} is no name for a {registry.kind}; expected lower_case_letters, as in a file name")
    if known := registry.get(name):
        raise UsageError(f"there is a {registry.kind} {name!r} already ({known.origin}); choose another name")
    target = (folder or registry.folder) / f"{name}.py"
    test = (folder or ROOT / "tests" / registry.folder.name) / f"test_{name}.py"
    replacements = {
        "name": name,
        "Class": "".join(word.capitalize() for word in name.split("_")),
        # With --to, the file lies outside the registry's folder, so its test registers it.
        "import": ", add_plugin_file" if folder else "",
        "register": f'\nadd_plugin_file(Path(__file__).with_name("{name}.py"))\n' if folder else "",
        "path": "from pathlib import Path\n\n" if folder else "",
    }
    for path, template in ((target, f"{kind}.py.txt"), (test, f"test_{kind}.py.txt")):
        if path.exists():
            raise UsageError(f"{path} exists already; remove it or choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        for word, value in replacements.items():
            text = text.replace("{{" + word + "}}", value)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")
    click.echo(f"next: make it your own, then `noisybench check {target if folder else name}`", err=True)
