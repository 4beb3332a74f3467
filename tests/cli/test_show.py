"""`noisybench show` tells what a plugin is and every option with the values that it takes."""

import ast
import inspect
import itertools
import textwrap

import pytest
from click.testing import CliRunner

from backbones.settings import Settings
from benchmark.cli.show import show
from benchmark.errors import UsageError
from benchmark.registry import ALL

PLUGINS = [(registry.kind.replace(" ", ""), entry.name) for registry in ALL for entry in registry.entries()]


def shown(*arguments):
    return CliRunner().invoke(show, arguments, catch_exceptions=False, standalone_mode=False).output


@pytest.mark.parametrize(("kind", "name"), PLUGINS, ids=["/".join(plugin) for plugin in PLUGINS])
def test_every_plugin_is_shown_with_its_file_and_all_its_options(kind, name):
    if name == "timm":
        name = "timm/resnet18"
    told = shown(kind, name)
    registry = next(r for r in ALL if r.kind.replace(" ", "") == kind)
    assert registry.find(name).origin in told
    for field in registry.load(name).Config.model_fields:
        assert f"\n  {field}: " in told


def help_texts(config):
    """What the source says below (or as `description` of) each option, found apart from pydantic: name -> text."""
    texts = {}
    for one in reversed(config.__mro__):
        if not issubclass(one, Settings) or one is Settings:
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        assert isinstance(definition, ast.ClassDef)
        body = definition.body
        for node, following in itertools.pairwise([*body, ast.Pass()]):
            if not isinstance(node, ast.AnnAssign) or "ClassVar" in ast.unparse(node.annotation):
                continue
            keywords = node.value.keywords if isinstance(node.value, ast.Call) else []
            described = [ast.literal_eval(keyword.value) for keyword in keywords if keyword.arg == "description"]
            text = following.value if isinstance(following, ast.Expr) else None
            below = [str(text.value)] if isinstance(text, ast.Constant) else [""]
            texts[node.target.id] = (described or below)[0]
    return texts


@pytest.mark.parametrize(("kind", "name"), PLUGINS, ids=["/".join(plugin) for plugin in PLUGINS])
def test_every_option_is_shown_with_the_help_that_its_source_gives(kind, name):
    registry = next(r for r in ALL if r.word == kind)
    texts = help_texts(registry.load(name).Config)
    shown_words = " ".join(shown(kind, name).split())
    for text in filter(None, texts.values()):
        assert " ".join(inspect.cleandoc(text).split()) in shown_words


def test_there_is_help_to_show_for_every_kind_of_plugin():
    counted = {kind: 0 for kind, _ in PLUGINS}
    for kind, name in PLUGINS:
        config = next(r for r in ALL if r.word == kind).load(name).Config
        counted[kind] += len([text for text in help_texts(config).values() if text])
    assert min(counted.values()) > 0


def test_options_are_told_with_types_bounds_choices_and_defaults():
    assert "q: number > 0, <= 1, default 0.7" in shown("method", "gce")
    assert 'estimate: "anchor" | "oracle", default "anchor"' in shown("method", "forward")
    assert "percentile: number >= 50, < 100 | null, default 97.0" in shown("method", "forward")
    assert "rate: number >= 0, < 1, required" in shown("noise", "symmetric")
    assert 'weights: "imagenet" | file-path | null, default null' in shown("backbone", "resnet18")


def test_a_plugin_file_of_ones_own_is_shown(here, tmp_path):
    (tmp_path / "mine.py").write_text(
        '"""Mine, of no paper."""\n\nfrom methods import Field, Method\n\n\nclass Mine(Method):\n'
        "    class Config(Method.Config):\n        steps: int = Field(3, ge=1, description='how many')\n"
    )
    told = here("show", "method", "mine", "--plugin", "mine.py").stdout
    assert "Mine, of no paper" in told
    assert "steps: integer >= 1, default 3\n      how many" in told


def test_an_unknown_kind_names_the_kinds():
    with pytest.raises(UsageError, match="method, backbone, dataset, noise"):
        shown("metod", "gce")
