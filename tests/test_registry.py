"""Which classes are plugins, under which names, and what is known of them before they are imported."""

import dataclasses
import sys
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.checks.all import check_plugin
from benchmark.cli.options import add_plugins
from benchmark.plugin_source import read
from benchmark.registry import ALL, BACKBONES, DATASETS, METHODS, NOISE, RegistryError, add_plugin_file, snake_case
from tests.conftest import ROOT


@pytest.fixture
def plugin(tmp_path):
    """Writes a plugin file and gives its path."""

    def write(code, name="mine.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        return path

    return write


def forbid_imports(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a plugin file was imported")

    monkeypatch.setattr("benchmark.plugin_files.load", refuse)


BY_READING = {
    "a plugin": ("from methods.gce import GCE\nclass Mine(GCE): pass", METHODS, "gce"),
    "shared code of the tree": ("from methods._selection import PeerMethod\nclass Mine(PeerMethod): pass", METHODS, ""),
    "another one": ("from methods._transition import TransitionMethod as T\nclass Mine(T): pass", METHODS, ""),
    "a module's attribute": ("import methods.gce as g\nclass Mine(g.GCE): pass", METHODS, "gce"),
    "a module by its full name": ("import methods.gce\nclass Mine(methods.gce.GCE): pass", METHODS, "gce"),
    "a module of a package": ("from methods import gce\nclass Mine(gce.GCE): pass", METHODS, "gce"),
    "a star import": ("from methods import *\nclass Mine(Method): pass", METHODS, ""),
    "a private class of the file": (
        "from methods import Method\nclass _Base(Method): pass\nclass Mine(_Base): pass",
        METHODS,
        "",
    ),
    "a mixin and a plugin": (
        "from methods.elr import ELR\nclass _Mixin: pass\nclass Mine(_Mixin, ELR): pass",
        METHODS,
        "elr",
    ),
    "a backbone": ("from backbones.cnn import SmallCNN\nclass Mine(SmallCNN): pass", BACKBONES, "cnn"),
    "the base by its package": ("from backbones import Backbone\nclass Mine(Backbone): pass", BACKBONES, ""),
    "a data set": ("from benchmark.datasets.digits import Digits\nclass Mine(Digits): pass", DATASETS, "digits"),
    "a noise": (
        "from benchmark.noise.class_conditional import Pair\nclass Mine(Pair): pass",
        NOISE,
        "pair",
    ),
}


@pytest.mark.parametrize("base", BY_READING)
def test_a_class_may_derive_from(base, plugin, monkeypatch):
    code, kind, parent = BY_READING[base]
    with monkeypatch.context() as patch:
        forbid_imports(patch)
        ((found, entry),) = add_plugin_file(plugin(code))
    assert (found, entry.name, entry.attribute) == (kind, "mine", "Mine")
    mine = kind.load("mine")
    assert mine.__name__ == "Mine"
    if parent:
        assert issubclass(mine, kind.load(parent))


def test_a_base_that_cannot_be_followed_by_reading_is_looked_up_in_the_imported_file(plugin, tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "elsewhere_of_mine.py").write_text("from methods.gce import GCE\nclass Base(GCE): pass\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    code = "from elsewhere_of_mine import Base\nAlias = Base\nclass Mine(Alias): pass\nclass Note: pass\n"
    ((found, entry),) = add_plugin_file(plugin(code))
    assert (found, entry.name) == (METHODS, "mine")
    del sys.modules["elsewhere_of_mine"]


def test_a_derived_plugin_declares_what_it_inherits(plugin):
    code = "from methods.coteaching import Coteaching\nclass Mine(Coteaching):\n    version = 3\n"
    ((_, entry),) = add_plugin_file(plugin(code))
    parent = METHODS.find("coteaching")
    assert entry.fact("version") == 3
    for name in ("cost", "needs", "phases", "family"):
        assert entry.fact(name) == parent.fact(name) != ""


def test_what_is_read_of_every_plugin_is_what_its_class_says():
    for one in ALL:
        for entry in one.entries():
            loaded = one.load(entry.name)
            for name, value in entry.declared.items():
                if name in ("version", "task", "positional", "nested"):
                    assert getattr(loaded, name) == value, (entry.origin, name)
                if name == "card":
                    assert dataclasses.asdict(loaded.card) == value, entry.origin


CARD = """
from dataclasses import dataclass
from methods import Method

@dataclass(frozen=True)
class Phase:
    name: str
    epochs: int | None = None

@dataclass(frozen=True)
class Card:
    title: str = ""
    cost: float = 1.0
    phases: tuple = (Phase("train"),)
    needs: frozenset = frozenset()

class _Parent(Method):
    cost = "9x"
    card = Card("A paper "
                "in two lines", cost=2.5, phases=(Phase("warm-up", epochs=10), Phase("train")), needs=frozenset({"T"}))

class Mine(_Parent):
"""


def test_a_card_is_read_with_its_defaults_and_comes_before_class_attributes(plugin):
    path = plugin(CARD + "    pass\n")
    entry = read(path).classes["Mine"]
    assert entry.declared["card"] == {
        "title": "A paper in two lines",
        "cost": 2.5,
        "phases": ({"name": "warm-up", "epochs": 10}, {"name": "train", "epochs": None}),
        "needs": frozenset({"T"}),
    }
    found = next(METHODS.describe([entry], "module"))
    assert (found.fact("cost"), found.fact("family"), found.fact("version")) == (2.5, "", 1)


def test_a_card_of_ones_own_replaces_the_inherited_one_and_skips_what_is_no_literal(plugin):
    path = plugin(CARD + "    card = Card(cost=3, title=make_title())\n")
    card = read(path).classes["Mine"].declared["card"]
    assert card["cost"] == 3
    assert card["needs"] == frozenset()
    assert "title" not in card


TWO = (
    '"""Two."""\nfrom methods.gce import GCE\n'
    "class FastGCE(GCE):\n    speed = 1\nclass Slow(GCE):\n    '''The slow one.'''\n    speed = 2\n"
)


def test_several_classes_of_a_kind_are_refused_with_the_way_to_name_one(plugin):
    with pytest.raises(RegistryError, match=r"2 public method classes \(FastGCE, Slow\); name one, such as mine.py:F"):
        add_plugin_file(plugin(TWO))


@pytest.mark.parametrize("folder", ["plain", "with:colon", "a.py:b"])
def test_each_class_of_a_file_can_be_named_and_has_its_own_name(plugin, folder):
    path = plugin(TWO, f"{folder}/mine.py")
    strings = add_plugins((Path(f"{path}:FastGCE"), Path(f"{path}:Slow")))
    assert METHODS.load("fast_gce").speed == 1
    assert METHODS.load("slow").speed == 2
    assert METHODS.find("slow").summary == "The slow one"
    for one in ALL:
        one._added.clear()
    for text in strings:  # as a worker does
        add_plugin_file(Path(text))
    assert METHODS.load("fast_gce").__name__ == "FastGCE"


def test_kinds_may_share_a_file_and_families_list_their_names(plugin):
    code = (
        "from methods.gce import GCE\nfrom benchmark.noise.class_conditional import Pair, Symmetric\n"
        "class Mine(GCE): pass\nclass One(Pair):\n    names = ('one',)\nclass Two(Symmetric):\n    names = ('two',)\n"
    )
    found = {(one.kind, entry.name) for one, entry in add_plugin_file(plugin(code))}
    assert found == {("method", "mine"), ("noise", "one"), ("noise", "two")}


def test_files_of_one_name_in_two_folders_are_two_modules(plugin):
    add_plugin_file(plugin("from methods import Method\nclass A(Method):\n    x = 1\n", "one/same.py"))
    first = METHODS.load("same")
    METHODS._added.clear()
    add_plugin_file(plugin("from methods import Method\nclass B(Method):\n    x = 2\n", "two/same.py"))
    assert (first.x, METHODS.load("same").x) == (1, 2)


def test_a_noise_that_lists_no_names_gets_the_one_that_it_is_registered_under(plugin):
    add_plugin_file(plugin("from benchmark.noise.class_conditional import Pair\nclass Mine(Pair): pass\n"))
    kind = NOISE.load("mine")
    assert kind(kind.Config(rate=0.2)).name == "mine"
    assert NOISE.load("pair").names == ("pair",)


def test_a_file_of_the_tree_means_the_plugin_that_it_holds():
    ((found, entry),) = add_plugin_file(ROOT / "methods" / "gce.py")
    assert (found, entry.name, entry.external) == (METHODS, "gce", False)
    ((_, entry),) = add_plugin_file(Path(f"{ROOT}/backbones/resnet.py:ResNet34"))
    assert entry.name == "resnet34"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("", "defines no public class; expected one that derives from Method, Backbone"),
        ("from methods.gce import GCE\n", "defines no public class"),
        ("from methods import Method\nclass _Mine(Method): pass\n", "defines no public class"),
        (
            "class Mine:\n    pass\n",
            r"defines Mine, but no class that derives from Method.*write `class Mine\(Method\)`",
        ),
        ("class Mine(dict):\n    pass\n", "defines Mine, but no class that derives from"),
        ("from torch import nn\nclass Mine(nn.Module): pass\n", "defines Mine, but no class that derives from"),
        ("class Mine(Unknown):\n    pass\n", "cannot be imported: NameError: name 'Unknown'.*; mend it"),
        ("from nowhere_at_all import B\nclass Mine(B): pass\n", "cannot be imported: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\nclass Mine(Unknown): pass\n", "cannot be imported: SystemExit: 3"),
        ("class Mine(:\n", "cannot be read: line 1: invalid syntax; mend it"),
        ("class A(B): pass\nclass B(A): pass\n", "defines A, B, but no class"),
        ("from methods import Method\nclass Mine(Method): pass\n\0", "cannot be read: "),
    ],
)
def test_a_file_without_a_plugin_is_refused_in_one_true_sentence(code, told, plugin):
    with pytest.raises(RegistryError, match=told) as refused:
        add_plugin_file(plugin(code))
    assert "\n" not in str(refused.value)


def test_a_wrong_class_an_absent_file_or_an_unusable_name_is_refused(plugin):
    path = plugin(TWO)
    with pytest.raises(RegistryError, match="defines no class 'GCE'; it defines FastGCE, Slow"):
        add_plugin_file(Path(f"{path}:GCE"))
    with pytest.raises(RegistryError, match=r"absent\.py does not exist"):
        add_plugin_file(Path("absent.py:Mine"))
    with pytest.raises(RegistryError, match="'a:b' cannot be the name of a method; rename a:b.py"):
        add_plugin_file(plugin("from methods import Method\nclass Mine(Method): pass\n", "a:b.py"))
    with pytest.raises(RegistryError, match=r"'gce' is registered twice: methods/gce.py:\d+ and .*; rename one"):
        add_plugin_file(plugin("from methods import Method\nclass Mine(Method): pass\n", "gce.py"))


def test_a_class_that_breaks_while_it_is_imported_is_told_with_the_remedy(plugin):
    add_plugin_file(plugin("from methods import Method\nclass Mine(Method):\n    x = 1 / 0\n"))
    with pytest.raises(RegistryError, match=r"ZeroDivisionError: .*; mend the file, then `noisybench check mine`"):
        METHODS.load("mine")


def test_a_file_of_the_tree_with_no_plugin_or_two_says_so(tmp_path, monkeypatch):
    (tmp_path / "none.py").write_text("class Mine:\n    pass\n")
    (tmp_path / "two.py").write_text("from methods import Method\nclass A(Method):\n    pass\nclass B(A):\n    pass\n")
    (tmp_path / "broken.py").write_text("class Mine(:\n")
    monkeypatch.setattr(registry, "ROOT", tmp_path.parent)
    tree: registry.Registry[object] = registry.Registry("method", tmp_path.name, "Method", "methods.base")
    assert {entry.name for entry in tree.entries()} == {"two", "broken"}
    with pytest.raises(RegistryError, match=r"none.py holds no public class that derives from Method"):
        tree.find("none")
    with pytest.raises(RegistryError, match=r"holds 2 public method classes \(A, B\); give each a file of its own"):
        tree.load("two")
    with pytest.raises(RegistryError, match="cannot be used: line 1: invalid syntax"):
        tree.load("broken")


def overriding(kind, name):
    """The finding of the check that a plugin overrides something, which is one of the first."""
    return next(finding for finding in check_plugin(kind, name, {}) if finding.check == "overrides_something")


@pytest.mark.parametrize(
    ("base", "parent"),
    [("methods.ce import CE", "CE"), ("methods.gce import GCE", "GCE")],
)
def test_a_class_that_overrides_nothing_is_told_that_it_equals_its_parent(base, parent, plugin):
    add_plugin_file(plugin(f"from {base} as B\nclass Mine(B):\n    '''Mine.'''\n    version = 2\n"))
    finding = overriding(METHODS, "mine")
    assert f"Mine overrides nothing of {parent} (" in finding.problem


def test_every_built_in_plugin_differs_from_what_it_derives_from():
    for one in ALL:
        for entry in one.entries():
            assert not overriding(one, entry.name).problem, entry.origin


def test_names_are_found_whatever_their_kind():
    assert registry.named("timm/resnet18") == [(BACKBONES, "timm/resnet18")]
    assert registry.named("symmetric") == [(NOISE, "symmetric")]
    with pytest.raises(RegistryError, match="unknown plugin 'symmetrc'; did you mean 'symmetric'"):
        registry.named("symmetrc")


def test_class_names_become_the_names_that_people_type():
    names = ["Mine", "FastGCE", "GCE", "TwoNets", "GJSLoss", "ELRPlus2"]
    assert [snake_case(name) for name in names] == ["mine", "fast_gce", "gce", "two_nets", "gjs_loss", "elr_plus2"]


def test_a_derived_method_is_checked_and_runs_from_the_command_line(here, plugin, tmp_path):
    plugin(
        "from methods import Field\nfrom methods.gce import GCE\n\n\n"
        "class SoftGCE(GCE):\n    class Config(GCE.Config):\n        q: float = Field(0.4, gt=0, le=1)\n\n\n"
        "class HardGCE(GCE):\n    class Config(GCE.Config):\n        q: float = Field(0.9, gt=0, le=1)\n"
    )
    assert "name one, such as mine.py:SoftGCE" in here("list", "methods", "--plugin", "mine.py", code=2).stderr
    done = here(
        "run", "-d", "digits", "-m", "gce", "-m", "soft_gce", "-m", "hard_gce", "-n", "symmetric:0.4", "--seeds", "1",
        "--epochs", "1", "--plugin", "mine.py:SoftGCE", "--plugin", "mine.py:HardGCE",
    )  # fmt: skip
    assert all(f"| {name} " in done.stdout for name in ("gce", "soft_gce", "hard_gce"))
    assert "all promises kept" in here("check", "mine.py:SoftGCE").stdout
