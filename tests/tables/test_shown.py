"""What a figure says of its panels."""

from benchmark.tables.shown import differing, shown
from tests.report import records
from tests.tables.test_comparison import build


def test_panels_of_several_recipes_name_only_what_differs():
    short, long = (records.record(0.5, "ce", 0.2, 0, recipe__epochs=epochs) for epochs in (12, 30))
    blocks = shown(build([short, long]), [])
    assert sorted(differing(one, blocks) for one in blocks) == ["epochs=12", "epochs=30"]
    assert differing(blocks[0], blocks[:1]) == ""
