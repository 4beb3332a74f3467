"""Timings are taken in turns with their baselines (benchmark.bench); pytest-benchmark carries the ratios."""

import pytest
import torch


@pytest.fixture
def measure(benchmark):
    """Runs a comparison once. pytest-benchmark times it as a whole; its extra_info holds the two minima."""

    def once(compare, *arguments, **options):
        found = benchmark.pedantic(compare, args=arguments, kwargs=options, rounds=1)
        times = getattr(found, "ratio", found)
        told = {"ratio": times.value, "fastest, s": times.work, "fastest baseline, s": times.baseline}
        benchmark.extra_info |= {name: float(f"{value:.4g}") for name, value in told.items()}
        print(benchmark.extra_info)
        return found

    return once


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
