"""`./scripts/test -m gpu -n 0` on a machine with a CUDA device runs these and writes results/gpu-report.md."""

from typing import Any

import pytest
import torch

from benchmark.store import provenance
from tests.conftest import ROOT

REPORT = ROOT / "results" / "gpu-report.md"


def pytest_collection_modifyitems(items):
    here = ROOT / "tests" / "gpu"
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if not torch.cuda.is_available():
                reason = "no CUDA device here: type `./scripts/test -m gpu -n 0` on a machine with one"
                item.add_marker(pytest.mark.skip(reason=reason))


class Report:
    """Figures that tests hand in, and how each test ended."""

    def __init__(self):
        self.rows = []

    def __call__(self, what, value):
        self.rows.append((what, value))

    def write(self):
        origin = provenance.collect()
        name = torch.cuda.get_device_name()
        lines = [
            "# GPU tests",
            "",
            f"{name}, CUDA {torch.version.cuda}, torch {torch.__version__}; commit {origin['commit']}",
            "",
            "| what | found |",
            "| --- | --- |",
            *[f"| {what} | {value} |" for what, value in self.rows],
            "",
        ]
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(scope="session")
def report():
    made = Report()
    yield made
    made.write()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    result = yield
    if result.when == "call" and "report" in item.funcargs:
        item.funcargs["report"](item.name, result.outcome)
    return result


@pytest.fixture
def device():
    return torch.device("cuda")


@pytest.fixture(autouse=True)
def exact_float32():
    """TensorFloat-32 keeps ten bits of a product's factors, too few to compare with the CPU."""
    switches: tuple[tuple[Any, str, bool], ...] = (
        (torch.backends.cudnn, "allow_tf32", False),
        (torch.backends.cuda.matmul, "allow_tf32", False),
        (torch.backends.cudnn, "deterministic", True),
    )
    before = [getattr(place, name) for place, name, _ in switches]
    for place, name, value in switches:
        setattr(place, name, value)
    yield
    for (place, name, _), value in zip(switches, before, strict=True):
        setattr(place, name, value)
