"""What a figure says of its panels."""

from benchmark.tables.shown import differing, shown, told_apart, without_repetition
from tests.report import records
from tests.tables.test_comparison import build


def test_panels_of_several_recipes_name_only_what_differs():
    short, long = (records.record(0.5, "ce", 0.2, 0, recipe__epochs=epochs) for epochs in (12, 30))
    blocks = shown(build([short, long]), [])
    assert sorted(differing(one, blocks) for one in blocks) == ["epochs=12", "epochs=30"]
    assert differing(blocks[0], blocks[:1]) == ""


def test_a_recipe_without_settings_of_its_own_is_named_by_what_it_lacks():
    assert told_apart(["epochs=12 lr=1", "epochs=12 lr=1 views=2"]) == ("epochs=12 lr=1", ["no views", "views=2"])


def test_a_block_that_is_not_drawn_names_the_one_that_shows_its_runs():
    """Runs that need no hint stand in both tracks."""
    both = [records.record(0.5, method, 0.2, 0) for method in ("ce", "gce")]
    told = [records.record(0.5, "coteaching", 0.2, 0, track=track) for track in ("blind", "oracle")]
    for run in told:
        run["hints"] = ["noise_rate"]
    blocks = shown(build([*both, *told]), ["ce"])
    kept, said = without_repetition(blocks)
    first, second = (one.title for one in blocks)
    assert [one.title for one in kept] == [first]
    assert said == f"not drawn: {second}, whose runs are those of {first}"
