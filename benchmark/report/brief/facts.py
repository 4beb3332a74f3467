"""What the page is made of: figures and names, before they are put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.report.layouts.advice import Advice


@dataclass(frozen=True)
class Share:
    """A share in [0, 1] with the ends of its 95 % interval; NaN where they are not known."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DataFacts:
    """What was read."""

    name: str
    counts: pd.DataFrame
    """[classes, splits] images."""
    patients: Mapping[str, int]
    """By split; empty where patients are not known."""
    all_patients: int
    """In all splits together; fewer than the sum where a patient is in several."""
    sites: pd.DataFrame
    """[sites, splits] images; empty where sites are not known."""
    files: str
    """How image files were read; empty where there are none."""
    left_out: tuple[str, ...]
    """A line per kind of fault."""
    notes: tuple[str, ...]
    """Assumptions and problems, a sentence each."""


@dataclass(frozen=True)
class Doubtful:
    """One of the most doubtful labels."""

    image: np.ndarray
    """[H, W, C] uint8."""
    file: str
    """Its name, or its place in the data set."""
    given: str
    """Class."""
    suggested: str


@dataclass(frozen=True)
class LabelFacts:
    """What networks make of the labels."""

    examined: int
    """Labels."""
    splits: tuple[str, ...]
    """Those that they lie in."""
    rate: Share | None
    """Of wrong labels; None where nothing can be said of it."""
    doubt: str
    """Why; empty where the rate is known."""
    pairs: pd.DataFrame
    """given, likely (classes), labels (their number), low and high, the commonest first; empty where the rate is not
    known."""
    worst: tuple[Doubtful, ...]
    listed: str
    """The file that lists all labels in this order; empty where there is none."""
    decisions: Mapping[str, int]
    """How many labels were read again with each decision; empty where nobody has."""
    read_before: int = 0
    """Labels that people had read again before, for the label set that the page is of."""


@dataclass(frozen=True)
class ReaderFacts:
    """How far several readers of the same images agree."""

    alpha: Share
    """Krippendorff's, and its interval; NaN where it is undefined."""
    images: int
    """That two readers or more have read."""
    readers: pd.DataFrame
    """reader, images, differ (share of the reader's labels that are not those of the data set), and wrong, low, high
    (share that the readers' consensus calls wrong; NaN where there is no consensus)."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """What reading labels again finds."""

    curve: pd.DataFrame
    """read (labels), random and perfect (wrong labels found in that order), and where it was simulated listed (in the
    order of the list)."""
    stop: int | None = None
    """Labels after which a reader would stop who stops at fewer than one error in ten; None where not simulated."""
    how: str = ""
    """Detector and network of the simulation."""


@dataclass(frozen=True)
class Recognition:
    """How one method's networks did on one test set."""

    site: str
    """Name of the test set."""
    images: int
    patients: int | None
    all: Share
    """Of the images that were recognised."""
    classes: pd.DataFrame
    """As of `tables.clinical.recognised`."""
    shared: int = 0
    """Images that are training images too."""
    notes: tuple[str, ...] = ()
    """What may make it hard to compare."""


@dataclass(frozen=True)
class MethodFacts:
    """What the runs on these labels show."""

    advice: Advice
    method: str
    """The recommended one, which the following is of."""
    about: Mapping[str, str]
    """Method -> its name in words, of those in `advice`."""
    network: str
    command: str
    """Trains it on these labels, as the runs were."""
    unknown: str
    """What stands in the command for paths that it cannot know; "" where it knows all."""
    ids: tuple[str, ...]
    """Of its runs."""
    tests: tuple[Recognition, ...]
    """The test set first, then those of other hospitals."""
    certainty: pd.DataFrame
    """As of `tables.clinical.certainty`, of the test set."""
    sure: float
    """How sure the networks are on average of what they name there."""
    other_runs: int
    """Runs on this data set that the page does not show: of other backbones, recipes or labels."""


@dataclass(frozen=True)
class Lacking:
    """A part of the page that could not be made."""

    part: str
    why: str
    command: str
    """What supplies it."""


@dataclass(frozen=True)
class Facts:
    """All of the page; a part that is None stands in `lacking`, but for readers where there are none."""

    data: DataFacts
    labels: LabelFacts | None
    readers: ReaderFacts | None
    reading: Reading | None
    methods: MethodFacts | None
    lacking: tuple[Lacking, ...]
    origin: tuple[str, ...]
    """Lines that say where the numbers come from."""
