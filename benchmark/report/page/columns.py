"""What the page computes with: the runs of a table as columns, written as JSON.

Methods, kinds of noise and runs are named by their positions. -1 stands for what is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Cell = tuple[int, int, int]
"""Block, method, noise."""


@dataclass
class Method:
    """A row of tables."""

    name: str
    plugin: str


@dataclass
class Noise:
    """A column of tables."""

    name: str
    kind: str
    rate: float | None
    arguments: str
    """Of the command line."""


@dataclass
class Row:
    """A method in a block."""

    method: int
    tuned: int
    """Configurations that it was chosen from, 0 for none; methods of one number are ranked among themselves."""
    marks: str
    networks: int
    cost: str
    arguments: str
    """Of the command line: its options."""


@dataclass
class PageBlock:
    """The runs that may be compared with one another."""

    dataset: str
    backbone: str
    recipe: str
    track: str
    protocol: str
    metric: str
    lower_is_better: bool
    columns: list[int]
    """Kinds of noise, the clean one first."""
    clean: int
    noisy: list[int]
    usual: int
    """The number of runs of most cells."""
    rows: list[Row]
    runs: list[int]
    classes: list[str]
    """[K] names; none where records hold none."""
    command: str
    """That trains on it, without methods, noise and seeds."""


@dataclass
class Runs:
    """A value per run in every list."""

    id: list[str] = field(default_factory=list)
    """Empty for a run without a record."""
    method: list[int] = field(default_factory=list)
    noise: list[int] = field(default_factory=list)
    state: list[int] = field(default_factory=list)
    reason: list[int] = field(default_factory=list)
    unit: list[int] = field(default_factory=list)
    """Of `Data.units`: the independent unit, 0 where that is the run itself."""
    seeds: list[int] = field(default_factory=list)
    """Of `Data.seeds`."""
    seconds: list[float] = field(default_factory=list)
    value: dict[str, list[int]] = field(default_factory=dict)
    """By rule: of `Data.numbers`."""
    epoch: dict[str, list[int]] = field(default_factory=dict)
    """By rule, counted from 1; -1 where the rule chooses none."""
    plain: dict[str, list[int]] = field(default_factory=dict)
    """By rule: 1 where the method had not begun in that epoch."""
    diagnostics: dict[str, list[int]] = field(default_factory=dict)
    """What methods report of themselves against the truth, in thousandths."""


@dataclass
class Curves:
    """Figures per epoch, in thousandths."""

    of_cells: bool
    """Whether they are means over the runs of cells, as there are too many runs."""
    keys: list[Cell] | list[int] = field(default_factory=list)
    """Cells or runs, one for each entry of the lists of `values`."""
    values: dict[str, list[list[int]]] = field(default_factory=dict)
    """By name; empty where there is no such curve."""


@dataclass
class Confusions:
    """Test confusion matrices of cells, added over their runs, by the table's rule."""

    omitted: bool = False
    """Whether they were left out, as there are too many counts."""
    keys: list[Cell] = field(default_factory=list)
    counts: list[list[int]] = field(default_factory=list)
    """[K * K], rows are true classes."""


@dataclass
class Data:
    suite: str
    digest: str
    rule: str
    """By which the page opens."""
    rules: dict[str, str]
    """Rule -> what it reports."""
    unranked: str
    """The rule by which nothing is ranked."""
    baseline: str
    exact: bool
    """Whether `numbers` are at full precision."""
    methods: list[Method]
    cards: dict[str, dict[str, str]]
    """Of plugins by name: heading -> text."""
    noises: list[Noise]
    states: list[str]
    reasons: list[str]
    units: list[str]
    seeds: list[str]
    numbers: list[float]
    blocks: list[PageBlock]
    runs: Runs
    curves: Curves
    confusions: Confusions
