"""Pages of the documentation that are made from the code: a hook of mkdocs (see mkdocs.yml).

The start page is the README. Every method, kind of noise, data set and backbone gets a page with what its class
declares. Nothing in these pages is written by hand, so that they cannot differ from the code.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from benchmark.cli.card import facts as card_facts
from benchmark.cli.main import cli
from benchmark.cli.show_plugin import _values
from benchmark.registry import ALL, BACKBONES, DATASETS, METHODS, NOISE, ROOT, Entry, Registry
from scripts.draw_rooms import draw, room_imports

Nav = list[Any]

TITLES = {METHODS: "Methods", NOISE: "Noise", DATASETS: "Data sets", BACKBONES: "Backbones"}
HOW_TO_USE = {METHODS: "--method", NOISE: "--noise", DATASETS: "--dataset", BACKBONES: "--backbone"}
INTRODUCTIONS = {
    METHODS: "Ways of training with noisy labels. † marks those that are told more than the noisy labels.",
    NOISE: "Kinds of label noise. The options stand after a colon: `symmetric:0.4`.",
    DATASETS: "Labelled images. `table`, `folder` and `npz` read your own.",
    BACKBONES: "Networks. Options stand after a colon, a model of timm after a slash: `timm/resnet18`.",
}
HELP_WIDTH = 100
COPIES = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
"""Page -> file of the repository that it shows."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Sets the navigation, which holds a page for every plugin."""
    config.nav = [
        {"Start": "index.md"},
        {"Your own images": "own-images.md"},
        {"How wrong are the labels": "raters.md"},
        {"Doubtful labels": "doubtful-labels.md"},
        {"Which method": "which-method.md"},
        {"Does it hold elsewhere": "robustness.md"},
        {"One page for the department": "brief.md"},
        {"Models": "models.md"},
        {"Few images": "few-images.md"},
        {"Slurm and Ray": "clusters.md"},
        {"Architecture": "architecture.md"},
        {"Faults": "reliability.md"},
        *({TITLES[r]: [f"{folder(r)}/index.md", *({e.name: page(r, e)} for e in r.entries())]} for r in TITLES),
        {
            "Interfaces": [
                "interfaces/index.md",
                *(
                    {name.capitalize(): f"interfaces/{name.replace(' ', '')}.md"}
                    for name in sorted(r.kind for r in ALL)
                ),
            ]
        },
        {"Schedules": "schedules.md"},
        {"Tables": "tables.md"},
        {"Figures": "figures.md"},
        {"Page": "page.md"},
        {"Results": "results.md"},
        {"Publishing": "publishing.md"},
        {"Operations": "operations.md"},
        {"A million runs": "scale.md"},
        {"Records": "records.md"},
        {"Commands": "commands.md"},
        {"Contributing": "contributing.md"},
        {"Security": "security.md"},
        {"Changes": "changelog.md"},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made from the code."""
    for uri, text in pages():
        files.append(File.generated(config, uri, content=text))
    return files


def pages() -> Iterator[tuple[str, str]]:
    """(path below docs/, content) of everything that is made here."""
    yield "rooms.svg", draw(room_imports())
    yield "commands.md", commands_page()
    for uri, name in COPIES.items():
        yield uri, (ROOT / name).read_text(encoding="utf-8")
    for registry, title in TITLES.items():
        entries = registry.entries()
        rows = [(f"[`{e.name}`]({e.name}.md)" + mark(registry, e), e.summary) for e in entries]
        table = markdown_table(("name", "what it is"), rows)
        yield f"{folder(registry)}/index.md", f"# {title}\n\n{INTRODUCTIONS[registry]}\n\n{table}"
        for entry in entries:
            yield page(registry, entry), plugin_page(registry, entry)


def commands_page() -> str:
    """The help text of every command, as `noisybench COMMAND --help` prints it."""
    parts = ["# Commands", "What `noisybench COMMAND --help` prints."]
    for names, command in _commands((), cli):
        context = click.Context(command, info_name=" ".join(("noisybench", *names)), max_content_width=HELP_WIDTH)
        context.terminal_width = HELP_WIDTH
        parts += [f"## {' '.join(names)}", f"```text\n{command.get_help(context)}\n```"]
    return "\n\n".join(parts) + "\n"


def _commands(names: tuple[str, ...], group: click.Group) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands((*names, name), command)
        elif command is not None:
            yield (*names, name), command


def folder(registry: Registry[Any]) -> str:
    return registry.plural


def page(registry: Registry[Any], entry: Entry) -> str:
    return f"{folder(registry)}/{entry.name}.md"


def mark(registry: Registry[Any], entry: Entry) -> str:
    return " †" if registry is METHODS and registry.load(entry.name).card.needs else ""


def plugin_page(registry: Registry[Any], entry: Entry) -> str:
    """What a plugin's class declares, as Markdown."""
    plugin = registry.load(entry.name)
    parts = [f"# {entry.name}", *prose(plugin)]
    parts.append(markdown_table(("", ""), facts(registry, entry, plugin)))
    parts += ["## Options", options_table(plugin), f"On the command line: `{HOW_TO_USE[registry]} {entry.name}`"]
    if registry is METHODS and plugin.card.bibtex:
        parts += ["## Cite", f"```bibtex\n{plugin.card.bibtex}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def prose(plugin: type) -> list[str]:
    """The docstrings of the module and the class; indented lines, which hold formulas, become code."""
    module = inspect.getmodule(plugin)
    texts = (module.__doc__ if module else None, plugin.__doc__)
    return [indented_as_code(inspect.cleandoc(text)) for text in dict.fromkeys(texts) if text]


def indented_as_code(text: str) -> str:
    lines = []
    for block in re.split(r"((?:^ {2,}\S.*\n?)+)", text, flags=re.MULTILINE):
        indented = block.startswith("  ")
        lines.append(f"\n```text\n{block.rstrip()}\n```\n" if indented else block)
    return "".join(lines).strip()


def facts(registry: Registry[Any], entry: Entry, plugin: Any) -> Iterator[tuple[str, str]]:
    """(what, value) of what the class declares beside its options."""
    if registry is METHODS:
        yield from ((heading, linked(fact)) for heading, fact in card_facts(plugin.card).items())
    elif registry is NOISE:
        yield "truth known", "yes" if plugin.truth_known else "no"
        yield "nested over rates", "yes" if plugin.nested else "no"
    elif registry is DATASETS:
        yield "task", plugin.task
        yield "default augmentation", ", ".join(f"{name} = {value}" for name, value in plugin.augment.items())
    yield "version", str(plugin.version)
    yield "source", f"`{entry.origin}`"


def options_table(plugin: Any) -> str:
    fields = plugin.Config.model_json_schema().get("properties", {})
    if not fields:
        return "None."
    rows = [
        (
            f"`{name}`",
            f"`{_values(schema).replace(' | ', ' or ')}`",
            f"`{json.dumps(schema['default'])}`" if "default" in schema else "required",
            schema.get("description", ""),
        )
        for name, schema in fields.items()
    ]
    return markdown_table(("option", "values", "default", "meaning"), rows)


def linked(fact: str) -> str:
    return f"<{fact}>" if fact.startswith("https://") else fact


def markdown_table(head: tuple[str, ...], rows: Any) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])
