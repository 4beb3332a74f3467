"""What `explain` says of maps."""

import numpy as np
import pytest

from benchmark.report.layouts.explanation import interval


@pytest.mark.parametrize(
    ("values", "units", "text"),
    [
        ([0.25], ["a"], "0.25"),
        ([0.1, 0.4], ["a", "b"], "0.25"),
        ([0.1, 0.4, 0.1, 0.4], ["a", "a", "b", "b"], "0.25 [0.25, 0.25]"),
        ([np.nan, np.nan], ["a", "b"], "-"),
    ],
)
def test_too_few_images_have_a_mean_and_no_endless_interval(values, units, text):
    assert interval(np.array(values), units).text == text
