"""What a figure says of itself: which lines, columns and images it shows, by which rule, and with which marks."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmark.report.figures import canvas, kinds
from benchmark.report.figures.captions import Material
from benchmark.report.figures.cost import apart
from benchmark.report.figures.lines import COLORS, MOST_LINES, line_styles
from benchmark.report.figures.marks import explained, marks
from benchmark.report.figures.training import in_training
from benchmark.tables.comparable import TableError
from tests.report.figures.conftest import renamed
from tests.report.figures.test_kinds import words


def drawn(kind, material):
    """The words of a figure in a line."""
    return " ".join(words(kinds.draw(kind, material, ".svg")[0]).split())


def changed(material, **fields):
    """`material` with other fields of its only block."""
    (block,) = material.table.blocks
    return replace(material, table=replace(material.table, blocks=(replace(block, **fields),)))


def with_recipe(material, **augment):
    """`material` whose runs have this augmentation in their recipe."""

    def written(key):
        spec = json.loads(key)
        return json.dumps({**spec, "recipe": {**spec["recipe"], "augment": augment}})

    runs = material.table.blocks[0].runs
    return changed(material, runs=runs.assign(spec_key=runs["spec_key"].map(written)))


def test_only_augmented_images_are_called_augmented(material):
    assert "on images as they are; accuracy counts" in in_training(with_recipe(material, flip=False).blocks, True)
    assert "on augmented images" in in_training(with_recipe(material, flip=True, rotate=0.0).blocks, True)
    assert "accuracy" not in in_training(with_recipe(material, flip=True).blocks, False)
    assert "on augmented images" not in drawn("curves", with_recipe(material, flip=False, rotate=0.0))


def test_columns_that_are_not_drawn_are_named_with_the_rule_that_chose_the_others(material):
    text = drawn("memorization", material)
    assert "1 of 2 columns of noise: of every kind of noise the one in which most labels are wrong" in text
    assert "left out: none" in text
    few = renamed(material.table, {})
    (block,) = few.blocks
    runs = block.runs.assign(noise=block.runs["noise"], realized=block.runs["realized"])
    more = runs[runs["noise"] == "symmetric:0.4"].assign(noise="symmetric:0.2", realized=0.2)
    columns = ("none", "symmetric:0.2", "symmetric:0.4")
    wide = changed(material, columns=columns, runs=type(runs)(np.concatenate([runs, more]), columns=runs.columns))
    typed = wide.table.blocks[0].runs.astype(runs.dtypes.to_dict())
    wide = changed(wide, runs=typed)
    for kind in ("confusion", "reliability", "curves"):
        _, notes = kinds.draw(kind, wide, ".svg")
        assert any("2 of 3 columns of noise: the clean one" in note and "symmetric:0.2" in note for note in notes)
    assert not any("columns of noise" in note for note in kinds.draw("confusion", material, ".svg")[1])


def test_points_of_equal_cost_stand_side_by_side():
    assert np.allclose(apart(np.array([1.0, 1.0, 5.0]), 0.2), [0.9, 1.1, 5.0])
    assert np.allclose(apart(np.array([1.0, 1.1, 1.3]), 0.3), [0.8333, 1.1333, 1.4333], atol=1e-3)
    assert np.allclose(apart(np.array([1.0, 2.0]), 0.5), [1.0, 2.0])
    assert (np.diff(apart(np.array([1, 1, 1.3, 1.3, 1.35, 4.0]), 0.2)) >= 0.2 - 1e-9).all()
    assert len(apart(np.array([]), 0.2)) == 0


def test_the_caption_says_where_points_of_a_cost_were_moved(material):
    assert "side by side" not in drawn("cost", material)
    methods = material.table.blocks[0].methods.assign(cost="1x")
    equal = changed(material, methods=methods)
    # The front and the baseline are marked: with the worse method as the baseline these are two.
    worse = replace(equal, table=replace(equal.table, baseline="forward"))
    assert "side by side, moved by at most" in drawn("cost", worse)


@pytest.mark.parametrize("kind", ["ranks", "cost"])
def test_one_panel_names_its_data_backbone_and_track(kind, material):
    assert f"{material.blocks[0].title} " in drawn(kind, material)


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_caption_says_of_which_data_it_is(kind, material):
    few = ("forward", "symmetric:0.4") if kind not in ("ranks", "matrix", "cost", "rate", "heatmap") else ()
    assert "Of digits, cnn, blind track." in drawn(kind, replace(material, names=few))


def test_few_seeds_have_no_place_and_no_letter_is_spoken_of(material):
    text = drawn("ranks", material)
    assert "no dot and no letter is drawn" in text
    assert "share a letter" not in text
    methods = material.table.blocks[0].methods.assign(repetitions=6, group="a")
    text = drawn("ranks", changed(material, methods=methods))
    assert "share a letter" in text
    assert "Grey" not in text


@pytest.mark.parametrize("option", ["--rule", "--metric", "--extra", "--out"])
def test_an_option_of_which_one_counts_is_refused_twice(option, here):
    told = here("plot", "rate", "--out", "a.png", option, "last.png", option, "b.png", code=2).stderr
    assert f"{option} was given" in told
    assert "draw a figure for each" in told


def test_names_have_the_marks_of_tables_and_the_caption_explains_them(material):
    methods = material.table.blocks[0].methods
    methods = methods.assign(needs=["noise_rate"] * 2, deviations=["u.lr=10 (recipe 1)", ""], networks=[2, 1])
    marked = changed(material, methods=methods)
    first, second = methods.index
    assert marks(marked.blocks) == {first: "†* (2 nets)", second: "†"}
    for kind in ("rate", "heatmap", "ranks", "matrix", "cost"):
        text = drawn(kind, marked)
        assert f"{first}†* (2 nets)" in text
        assert "† is given an estimate of noise rate; * sets" in text
    by_raters = changed(material, methods=methods.assign(needs=["soft_labels", "noise_rate"]))
    told = explained(by_raters.blocks, list(methods.index))
    assert told.startswith("† is trained on the probabilities that raters give the classes; † is given an estimate of")
    assert explained(material.blocks, ["ce"]) == ""
    assert "*" not in explained(marked.blocks, [second])


def test_a_colour_does_not_depend_on_the_order_nor_up_to_seven_on_what_is_drawn():
    names = ["ce", "b", "a", "z", "m"]
    styles = line_styles(names, names, "ce")
    assert line_styles(names[::-1], names, "ce") == styles
    assert line_styles(["m", "z"], names, "ce") == {name: styles[name] for name in ("m", "z")}
    assert styles["ce"]["color"] == COLORS[0]
    many = [f"m{number:02}" for number in range(57)]
    assert len({style["color"] for style in line_styles(many[3:40:6], many, "m00").values()}) == 7
    assert len({style["marker"] for style in line_styles(many[:MOST_LINES], many, "m00").values()}) == MOST_LINES
    with pytest.raises(TableError, match="--only"):
        line_styles(many[: MOST_LINES + 1], many, "m00")


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_kind_says_that_there_are_no_runs(kind, material):
    runs = material.table.blocks[0].runs
    with pytest.raises(TableError, match="there are no runs to draw"):
        kinds.draw(kind, changed(material, runs=runs.assign(state="missing")), ".svg")
    with pytest.raises(TableError, match="came to its end"):
        kinds.draw(kind, changed(material, runs=runs.assign(state="failed")), ".svg")


@pytest.mark.parametrize(("metric", "name"), [("auroc", "AUROC"), ("ece", "ECE"), ("balanced_accuracy", "Balanced")])
def test_titles_write_abbreviations_as_such(metric, name, material):
    text = drawn("heatmap", changed(material, metric=metric))
    assert f"{name} " in text
    assert f"{name.capitalize()} of" not in text.replace(name, "") or name == "Balanced"


def test_transition_names_its_seeds_and_explains_l1_only_where_one_is_drawn(material):
    text = drawn("transition", material)
    assert "true T, symmetric:0.4, n = 2" in text
    assert "L1: sum" in text
    assert "1 of 1 methods that estimate T: all of them." in text
    alone = drawn("transition", Material(material.table, ("ce",), material.whole))
    assert "L1" not in alone


def test_marks_are_never_cut_from_a_long_name():
    from benchmark.report.figures.names import LONGEST, labels, width

    with canvas.style():
        (label,) = labels(["x" * 80], marks={"x" * 80: "†* (2 nets)"})
        assert label.endswith("†* (2 nets)")
        assert width(label, 7.0) <= LONGEST + 1
