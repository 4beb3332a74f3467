"""What the page computes is what `noisybench table` prints, whatever the records."""

import math
import random

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmark.report.layouts import rates
from benchmark.report.page.collect import collect
from benchmark.report.page.shell import SCRIPTS, _static
from benchmark.tables.statistics import t_factor
from tests.tables.test_comparison import build, ended, record

RULES = ("val_noisy", "last", "oracle_test")
METHODS = ("ce", "gce", "forward", "sce", "elr")
PROGRAM = "\n".join(_static(name) for name in SCRIPTS if name != "page.js")


@pytest.fixture(scope="module")
def page(browser):
    made = browser.new_page()
    made.add_script_tag(content=PROGRAM)
    return made


def test_student_t_is_that_of_scipy(page):
    scipy = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 5, 9, 40):
        for t in (1e-3, 0.3, 1.0, 2.57, 12.0, 300.0):
            found = page.evaluate("([t, f]) => pOfT(t, f)", [t, freedom])
            assert math.isclose(found, 2 * scipy.t.sf(t, freedom), rel_tol=1e-10)
    for n in (2, 3, 6, 10, 50):
        assert math.isclose(page.evaluate("n => tFactor(n)", n), float(t_factor(n)), rel_tol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_kendalls_tau_is_that_of_scipy(page, seed):
    scipy = pytest.importorskip("scipy.stats")
    drawn = np.random.default_rng(seed).integers(0, 6, (2, 9)).tolist()
    assert math.isclose(page.evaluate("([a, b]) => kendall(a, b)", drawn), scipy.kendalltau(*drawn).statistic)


@given(
    st.floats(-2, 2).map(lambda value: round(value, 4)) | st.floats(-2, 2) | st.integers(-32, 32).map(lambda k: k / 16)
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_figures_are_rounded_as_python_prints_them(page, value):
    assert page.evaluate("v => rounded(v)", value) == round(value, 3)


def grid(generator):
    """Records of methods x noise x seeds: few digits, so that there are ties; holes; failures; no clean row."""
    seeds = generator.choice([1, 2, 5, 6, 7])
    size = generator.choice([20, 359, 1000])
    columns = generator.choice([(0.0, 0.2, 0.4), (0.2, 0.4), (0.0, 0.4), (0.3,)])
    lost = generator.choice([0.0, 0.0, 0.03, 0.3])
    for method in METHODS[: generator.randint(2, 5)]:
        level = generator.randint(size // 2, size - 1)
        for rate in columns:
            for seed in range(seeds):
                kind = generator.choice(["diverged", "failed", "skipped", "undefined", "absent"])
                if generator.random() >= lost:
                    yield scored(generator, method, rate, seed, level, size)
                elif kind == "undefined":
                    yield record(None, method, rate, seed)
                elif kind != "absent":
                    yield ended(kind, method, rate, seed, "because")


def scored(generator, method, rate, seed, level, size):
    run = record(0.5, method, rate, seed)
    for rule in RULES:
        spread = max(1, size // 40)
        right = min(size, max(0, level + generator.randint(-spread, spread)))
        run["metrics"][rule] = {"accuracy": right / size, "nll": 1 - right / size}
    return run


def shown(grid):
    return [[name.text, *(cell.text + cell.marks for cell in row)] for name, *row in grid.rows]


@given(st.integers(0, 10**6), st.sampled_from(["accuracy", "nll"]))
@example(688078, "accuracy")  # a column in which no method has a value
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
def test_cells_ranks_places_and_groups_are_those_of_the_table(page, number, metric):
    records = list(grid(random.Random(number)))
    first = build(records, metric=metric)
    data = orjson.loads(orjson.dumps(collect(first, records, {})))
    for rule in RULES:
        table = build(records, rule=rule, metric=metric)
        (section,) = rates.document([table]).sections
        whole = section.grids[0]
        found = page.evaluate(
            """([data, rule]) => {
                const table = computed(data, data.blocks[0], rule, { method: () => true, column: () => true });
                const columns = columnsOf(data, table, { rule, other: null, contender: null });
                return table.shown.map((i) => [data.methods[table.block.rows[i].method].name,
                    ...columns.filter(({ key }) => !["n", "cost"].includes(key)).map((column) => column.of(i).text)]);
            }""",
            [data, rule],
        )
        assert sorted(found) == sorted(shown(whole)), rule


@pytest.mark.parametrize("classes", [["benign <b>", "malignant"], []])
def test_a_confusion_matrix_names_the_classes_that_records_name(page, classes):
    data = {
        "blocks": [{"classes": classes, "rows": [{"method": 0}], "columns": [0]}],
        "confusions": {"omitted": False, "keys": [[0, 0, 0]], "counts": [[3, 1, 0, 4]]},
    }
    rows = page.evaluate(
        """(data) => [...confusionTable(data, 0, 0, 0).querySelectorAll("tr")]
            .map((row) => [...row.children].map((cell) => cell.textContent))""",
        data,
    )
    first, second = classes or ("0", "1")
    assert rows == [["", first, second], [first, "3", "1"], [second, "0", "4"]]


def test_an_order_of_ties_has_no_tau(page):
    assert page.evaluate("Number.isNaN(kendall([1.5, 1.5], [1, 2]))")


def test_the_page_has_the_names_that_the_records_of_a_block_agree_on():
    records = [record(0.5 + s / 50, m, r, s) for m in METHODS for r in (0.0, 0.4) for s in range(6)]
    assert collect(build(records), records, {}).blocks[0].classes == []
    for run in records[3:]:
        run["provenance"]["labels"] = {**run["provenance"]["labels"], "classes": ["benign", "malignant"]}
    assert collect(build(records), records, {}).blocks[0].classes == ["benign", "malignant"]


@pytest.mark.parametrize("some", [False, True], ids=["no run of the method", "some of its runs"])
def test_runs_that_were_never_carried_out_are_holes_of_their_own_cells(page, some):
    records = [record(0.5 + s / 50, "ce", r, s) for r in (0.0, 0.4) for s in range(3)]
    missing = [{"spec": record(0.5, "gce", r, s)["spec"]} for r in (0.0, 0.4) for s in range(3)]
    if some:
        records.append(record(0.5, "gce", 0.4, 3))
    table = build(records, expected=missing)
    data = orjson.loads(orjson.dumps(collect(table, records, {})))
    found = page.evaluate(
        """(data) => {
            const table = computed(data, data.blocks[0], data.rule, { method: () => true, column: () => true });
            const columns = columnsOf(data, table, { rule: data.rule, other: null, contender: null });
            return table.shown.map((i) => [data.methods[table.block.rows[i].method].name,
                ...columns.slice(0, 2).map((column) => column.of(i).text)]);
        }""",
        data,
    )
    (section,) = rates.document([table]).sections
    assert sorted(found) == sorted(row[:3] for row in shown(section.grids[0]))
    assert {name: cells for name, *cells in found}["gce"] == ["0/3", "1/4" if some else "0/3"]


def test_the_records_may_come_in_any_order():
    records = [record(0.5 + s / 50, m, r, s) for m in METHODS for r in (0.0, 0.4) for s in range(6)]
    mixed = random.Random(0).sample(records, len(records))
    assert collect(build(records), records, {}) == collect(build(mixed), mixed, {})
