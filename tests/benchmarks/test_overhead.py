"""What the harness costs beside the training itself: ratios of one session, on minima."""

import pytest

from benchmark.checks.speed.overhead import overhead


@pytest.mark.timed
def test_the_harness_costs_at_most_3_percent_over_a_bare_loop_and_a_millisecond_a_step(tmp_path, measure):
    found = measure(overhead, tmp_path, limit=1.03)
    assert found.ratio.value <= 1.03
    assert found.milliseconds < 1
