"""The configurations that a search tries: as many for every method, inside its bounds, the default first."""

import math
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import UsageError
from benchmark.grid import suite as suites
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import resolve_method
from benchmark.grid.tuning import LR_SPAN, candidates, trial_suite
from benchmark.registry import METHODS
from benchmark.seeds import TUNING_SEED
from methods import Search

NAMES = [entry.name for entry in METHODS.entries()]


@cache
def tried_of(method):
    """The 16 configurations that a search of the method tries."""
    return candidates(PluginRef(method), 16, lr=1e-3)


@pytest.mark.parametrize("method", NAMES)
def test_every_method_gets_as_many_valid_configurations_and_begins_with_its_default(method):
    tried = tried_of(method)
    assert len(tried) == 16
    assert tried[0] == PluginRef(method)
    parts = [resolve_method(ref) for ref in tried]
    configurations = {(str(one.part.config), str(dict(one.changes))) for one in parts}
    assert len(configurations) == 16
    rates = [one.changes["lr"] for one in parts[1:]]
    assert all(1e-3 / LR_SPAN <= rate <= 1e-3 * LR_SPAN for rate in rates)
    assert min(rates) < 3e-4 < 3e-3 < max(rates), "the range is not covered"


@pytest.mark.parametrize("method", NAMES)
def test_search_ranges_hold_the_default_and_vary_every_option(method):
    plugin = METHODS.load(method)
    parts = [resolve_method(ref).part.config for ref in tried_of(method)]
    for search in plugin.card.search:
        default = plugin.Config.model_fields[search.option].default
        assert default is None or search.low <= default <= search.high, search  # None: as the schedule or a hint says
        assert len({part[search.option] for part in parts}) > 2, search
        assert search.low > 0 or not search.log, search


@given(budget=st.integers(1, 40), more=st.integers(0, 40), lr=st.floats(1e-5, 1.0))
@settings(max_examples=10, deadline=None)
def test_a_larger_budget_begins_with_the_configurations_of_a_smaller_one(budget, more, lr):
    small, large = (candidates(PluginRef("gce"), count, lr) for count in (budget, budget + more))
    assert large[:budget] == small
    assert all(math.isfinite(ref.options["recipe"]["lr"]) for ref in large[1:])


@pytest.mark.parametrize("ref", [PluginRef("ce", text="recipe.lr=0.1"), PluginRef("gce", {"recipe": {"lr": 0.1}})])
def test_a_method_that_sets_what_is_searched_is_refused(ref):
    with pytest.raises(UsageError, match=r"sets recipe\.lr, which --tune searches"):
        candidates(ref, 2, lr=1e-3)


def test_a_method_that_stands_twice_is_refused():
    raw = {
        "datasets": ["digits"],
        "methods": ["gce", {"name": "gce", "normalized": True}],
        "noise": ["none"],
        "tune": 3,
    }
    with pytest.raises(UsageError, match="'gce' stands in the suite more than once"):
        trial_suite(suites.build(raw))


def test_other_options_of_a_method_stay_as_they_were_given():
    for ref in candidates(PluginRef("ce", {"recipe": {"weight_decay": 0.01}}), 4, lr=1e-3)[1:]:
        assert ref.options["recipe"]["weight_decay"] == 0.01
        assert ref.options["recipe"]["lr"] != 1e-3


OWN = """
from methods import Card, Field, Method, Search

class Own(Method):
    card = Card(search=(Search("q", 0.5, 2.0),))
    class Config(Method.Config):
        q: float = Field(0.7, gt=0, le=1)
"""


def test_a_range_that_contradicts_a_bound_is_refused_with_the_option(tmp_path, monkeypatch):
    from benchmark.registry import add_plugin_file

    monkeypatch.setattr(METHODS, "_added", {})
    (tmp_path / "own_search.py").write_text(OWN)
    add_plugin_file(tmp_path / "own_search.py")
    with pytest.raises(UsageError, match=r"the search range of method 'own_search' contradicts its options.*q"):
        candidates(PluginRef("own_search"), 8, lr=1e-3)


def tried_of_own(tmp_path, monkeypatch, search, options):
    """The 16 configurations that a search of a plugin with these literals tries."""
    from benchmark.registry import add_plugin_file

    monkeypatch.setattr(METHODS, "_added", {})
    text = OWN.replace('Search("q", 0.5, 2.0)', search).replace("q: float = Field(0.7, gt=0, le=1)", options)
    (tmp_path / "own_search.py").write_text(text)
    add_plugin_file(tmp_path / "own_search.py")
    return candidates(PluginRef("own_search"), 16, lr=1e-3)[1:]


def test_an_option_of_the_name_lr_is_searched_beside_the_learning_rate(tmp_path, monkeypatch):
    tried = tried_of_own(tmp_path, monkeypatch, 'Search("lr", 0.2, 0.5)', "lr: float = 0.3")
    assert all(0.2 <= ref.options["lr"] <= 0.5 for ref in tried)
    assert all(1e-4 <= ref.options["recipe"]["lr"] <= 1e-2 for ref in tried)


@pytest.mark.parametrize("options", ["k: int = 2", "k: int | None = None"])
def test_an_option_of_whole_numbers_is_searched_by_whole_numbers(options, tmp_path, monkeypatch):
    tried = tried_of_own(tmp_path, monkeypatch, 'Search("k", 1, 5)', options)
    assert {ref.options["k"] for ref in tried} == {1, 2, 3, 4, 5}
    with pytest.raises(UsageError, match="searches k from 1.2 to 1.4, and it is a whole number"):
        tried_of_own(tmp_path, monkeypatch, 'Search("k", 1.2, 1.4)', options)


@pytest.mark.parametrize("lr", [1.5, 5.0])
def test_a_recipe_whose_learning_rates_would_be_refused_is_told_the_one_to_type(lr):
    with pytest.raises(UsageError, match=rf"as lr = {lr:g} in the recipe, .* expected at most 1: --recipe lr=1 "):
        candidates(PluginRef("ce"), 8, lr=lr)
    assert candidates(PluginRef("ce"), 8, lr=1.0)


@pytest.mark.parametrize(
    ("low", "high", "log", "told"),
    [
        (2.0, 0.5, False, "from 2.0 to 0.5; expected finite numbers, the lower one first"),
        (1.0, 1.0, False, "the lower one first"),
        (0.0, math.inf, False, "finite"),
        (math.nan, 1.0, False, "finite"),
        (0.0, 1.0, True, "expected a range above 0, or no log=True"),
    ],
)
def test_a_range_that_holds_nothing_is_refused_where_it_is_written(low, high, log, told):
    with pytest.raises(ValueError, match=f"the search range of 'q' goes .*{told}"):
        Search("q", low, high, log=log)


def test_a_plugin_file_with_such_a_range_is_refused_with_its_place(here, tmp_path):
    (tmp_path / "mine.py").write_text(OWN.replace("0.5, 2.0", "0.0, 1.0, log=True"))
    done = here(
        "run", "-d", "digits", "-m", "mine", "-n", "none", "--plugin", "mine.py", "--tune", "4", "--dry-run", code=2
    )
    assert "the search range of 'q' goes from 0.0 to 1.0; expected a range above 0" in done.stderr
    assert "mend the file, then `noisybench check mine`" in done.stderr
    assert "fault of noisybench" not in done.stderr


def test_seeds_of_the_search_are_never_those_of_a_suite():
    raw = {"datasets": ["digits"], "methods": ["ce", "gce"], "noise": ["none"], "tune": 3}
    trial = trial_suite(suites.build(raw))
    assert [seeds.noise for seeds in trial.all_seeds()] == [TUNING_SEED]
    assert len(trial.methods) == 6
    with pytest.raises(UsageError, match="are for tuning"):
        suites.build({**raw, "seeds": [0, TUNING_SEED]})
