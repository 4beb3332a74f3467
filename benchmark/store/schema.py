"""The one definition of a run record: its fields, their types and what they hold.

A record is a plain JSON object, typed here as nested dictionaries: nothing is converted on reading, which has to be
fast. `fault` compares a whole record with the definition, before one is written and when a single one is shown.
Records of earlier schemas are read through `migration.current`.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from benchmark.metrics import Outcome
from benchmark.model_selection import Rule
from benchmark.store.atomic import StoreError
from benchmark.store.columns import STRICT, Column, Columns
from benchmark.store.content import Record, id_of
from benchmark.store.scored_sets import CorruptedTest, Tests

SCHEMA = 3


@STRICT
class Names(TypedDict, total=False):
    """Names for people."""

    dataset: str
    suite: str
    classes: list[str]
    """[K] in the order of the labels; absent from records of runs that were not trained, and of earlier versions."""


@STRICT
class Provenance(TypedDict):
    """Where a record comes from."""

    noisybench: str | None
    """Version of the installed distribution."""
    python: str
    libraries: dict[str, str]
    """Versions by name."""
    commit: str | None
    """Of the checkout; None outside of one."""
    dirty: bool
    """Whether the checkout had changes that were not committed."""
    platform: str
    hardware: dict[str, Any]
    """Processor and cores, and the GPU where one was used."""
    method_digest: str | None
    """SHA-256 of the method's source file; None where it has none."""
    backbone_digest: str | None
    """SHA-256 of the backbone's source file; None where it has none."""
    labels: Names
    device: str
    """As it was asked for: "cpu", "cuda", "auto"."""
    threads: int
    fast_paths: NotRequired[list[str]]
    """Fast paths that were on, see `backbones/_fast/README.md`; absent from records of schemas 1 and 2."""


@STRICT
class Figures(TypedDict, total=False):
    """The metrics of one rule, at full precision: fractions in [0, 1] but `nll` (nats), `mcc` and `kappa`
    (at most 1), `brier` (in [0, 2]) and `mae` (classes)."""

    epoch: int
    """Counted from 1; absent from `last5`."""
    phase: str
    """The method's phase in that epoch."""
    accuracy: float
    balanced_accuracy: float
    auroc: float | None
    f1: float
    ece: float
    nll: float
    auprc: float | None
    """This and the following four are not in records of schema 1."""
    mcc: float
    brier: float
    kappa: float | None
    mae: float
    precision: list[float | None]
    """[K] per class, as `recall`, in records of schema 1 only: `metrics.per_class` of an outcome's confusion."""
    recall: list[float | None]


Deviations: TypeAlias = dict[str, dict[str, list[Any]]]
"""Optimizer -> field of the recipe -> [the optimizer's own value, the recipe's], where these differ; "training" ->
the same of a method that has a recipe of its own."""

ByRule: TypeAlias = dict[Rule, Figures | None]
"""Figures by reporting rule; None where a rule is undefined. Records made before `label_wave` was added lack it."""
OutcomeByRule: TypeAlias = dict[Rule, Outcome | None]
"""Of the rules that choose one epoch."""


@STRICT
class Curve(TypedDict):
    """Columns of [epochs] values; the rounded figures of an epoch give the rules' figures to five digits."""

    lr: Column
    """Learning rate of the first optimizer."""
    phase: list[str]
    """Of the method."""
    train: Columns
    """What the method's steps report, means over the samples of the epoch."""
    val_noisy: Columns | None
    """The metrics of `curve.VALIDATION` on the validation set, against its noisy labels."""
    val_clean: Columns | None
    """The same against its true labels; None where they are unknown."""
    test: Columns | None
    """The metrics of `curve.TEST` on the main test set."""
    extra: dict[str, Columns | None]
    """By the name of the test set."""
    memorization: Columns | None
    """Shares of the mislabelled training samples (of at most 10,000) that are predicted as their true class and
    as the wrong one that was given; None where the truth is unknown."""
    changed: Column
    """Share of at most 10,000 training samples (all labels) whose prediction changed since the epoch before: what the
    rule `label_wave` reads."""
    diagnostics: Columns
    """What the method reports of itself against the truth: see `Diagnostics`."""


@STRICT
class OpenSetImages(TypedDict):
    """Images of no class of the task among the training images."""

    count: int
    sha256: str
    """Of their positions in their source, -1 for every other image."""


@STRICT
class Noise(TypedDict):
    """The manifest of the noisy training labels."""

    kind: str
    version: int
    config: dict[str, Any]
    num_samples: int
    class_counts: list[int]
    """[K] samples per clean class (per given class where the truth is unknown)."""
    realized_rate: float | None
    """Share of wrong labels among those trained on; None where the truth is unknown. In records of schemas 1 and
    2: as `realized_rate_all`."""
    realized_rate_all: float | None
    """The same of all training labels of the data set, before validation set and subset are taken."""
    realized_rate_per_class: list[float | None] | None
    commonest_wrong_share: NotRequired[list[float | None] | None]
    """[K] share of the commonest wrong class among the wrong labels of each clean class; absent from records that were
    written before it was counted, as `notes`."""
    transition: list[list[float]] | None
    """[K, K] T[clean, noisy]."""
    transition_source: Literal["generator", "empirical", "unknown"]
    labels_sha256: str
    open_set: NotRequired[OpenSetImages | None]
    """Of all training labels of the data set; None where all images are of the task."""
    warnings: list[str]
    notes: NotRequired[list[str]]
    """How the labels were made; a sentence each."""
    estimated_rate: float | None
    """The noise rate that a blind method got as a hint; None if it needs no hint or got the true one. Where the
    estimator refused, its fallback."""
    estimator_error: float | None
    """`estimated_rate` - `realized_rate`."""
    estimate_doubt: str | None
    """Why the estimator refused to tell the rate, so that the method got the fallback; None where it did not."""
    estimate_interval: NotRequired[list[float] | None]
    """[2] ends of the 95 % interval of the rate; None where the estimator refused or was not asked; absent from
    records of its first version."""


@STRICT
class Diagnostics(TypedDict, total=False):
    """What the method reported of itself in the last epoch, against the truth; empty where it reports nothing."""

    precision: float | None
    """Share of the kept samples whose label is right."""
    precision_per_class: list[float | None] | None
    """[K] by given label, as all lists per class here; to five digits."""
    recall: float | None
    """Share of the rightly labelled samples that were kept."""
    recall_per_class: list[float | None] | None
    auroc: float | None
    """Of the score by which samples are kept, right against wrong labels."""
    auroc_per_class: list[float | None] | None
    corrected_accuracy: float | None
    """Share of the method's corrected labels that are the true class, among images of the task."""
    open_set_kept: float | None
    """Share of images of no class of the task among the kept samples; this and the next two only under open-set
    noise."""
    open_set_dropped: float | None
    """Share of those images that were not kept."""
    open_set_auroc: float | None
    """Of the score, images of the task against those of no class of it."""
    transition: list[list[float]]
    """[K, K] the estimate of T, to five digits."""
    l1_row_mean: float
    """L1 error of that estimate, mean over its rows."""
    l1_total: float


@STRICT
class Sizes(TypedDict):
    """Numbers of samples."""

    train: int
    val: int
    skipped_files: int
    """Files that could not be decoded and were left out on request."""
    clean_set: NotRequired[int]
    """Of the training images whose true labels the method was given, which are not among those of `train`; absent
    where it was given none."""


@STRICT
class Images(TypedDict):
    """What was done to image files on reading."""

    pixels: str
    """How gray values of more than 8 bits became 8 bits: "auto" (the bits in use), "full" (the whole range of the
    type), "percentile", "window" (that of each DICOM file), or "given"."""
    values: list[float] | None
    """[2] values that became 0 and 255, the same for all images; None where there are 8 bits at most."""
    fit: str
    """How images became squares: "crop", "pad" or "stretch"."""
    bit_depths: list[int]
    """Depths that occur, ascending."""
    smallest: list[int]
    """[2] least width and height in px of the original images, each on its own."""
    largest: list[int]
    share_cropped: float
    """Share of all original pixels that was cut away."""


@STRICT
class Timing(TypedDict):
    """Seconds and memory to four digits, which differ between equal runs."""

    prepare_seconds: float
    """For data and noise, and the features of a frozen backbone."""
    train_seconds: float
    """Of all epochs, as the next two."""
    evaluate_seconds: float
    seconds: float
    """Training and evaluation."""
    estimate_seconds: float | None
    """For the noise rate, when it was estimated (by this run or, before it, another)."""
    total_seconds: float
    peak_memory_mib: float | None
    """None where the system does not tell it, as Windows."""
    gpu_memory_mib: NotRequired[float]
    """On a GPU."""


@STRICT
class ShortTiming(TypedDict):
    """Of a run that was not trained."""

    total_seconds: float
    peak_memory_mib: float | None


Fault = TypedDict("Fault", {"class": str, "message": str, "traceback": str, "log": str, "cause": NotRequired[str]})
"""An exception: its class, message, the end of its traceback, the path of the run's log, and the kind of cause."""


@STRICT
class Header(TypedDict):
    """What every record begins with."""

    schema: int
    id: str
    """The run's, which is made of its spec."""
    spec: dict[str, Any]
    """`grid.spec.RunSpec` as JSON."""
    provenance: Provenance


@STRICT
class Trained(Header):
    """A run that was trained."""

    main_metric: str
    """Chooses the epochs."""
    deviations: Deviations | None
    """From the recipe; None in records of schema 1, which do not say."""
    curve: Curve
    noise: Noise
    diagnostics: Diagnostics
    hints: list[str] | None
    """What the method was told beside the noisy labels: "noise_rate" (its estimate in the blind track), "transition",
    "clean_set", "soft_labels"; None in records of schemas 1 and 2."""
    images: Images | None
    """None where the data set comes as arrays of 8 bits."""
    features: dict[str, str] | None
    """Digests of the arrays of a frozen backbone's features; None where the images were trained on."""
    sizes: Sizes
    tests: Tests
    timing: Timing


@STRICT
class Ok(Trained):
    """A run that was trained to its end."""

    state: Literal["ok"]
    metrics: ByRule
    """On the main test set."""
    extra_metrics: dict[str, ByRule]
    """By the name of the extra test set."""
    outcomes: OutcomeByRule
    """On the main test set; empty in records of schema 1."""
    extra_outcomes: dict[str, OutcomeByRule]
    corrupted_tests: NotRequired[dict[str, CorruptedTest]]
    """By the name of the extra test set; absent where there is none, and from records of earlier versions."""


@STRICT
class Diverged(Trained):
    """A run whose training broke down; its curve ends before that epoch."""

    state: Literal["diverged"]
    reason: str


@STRICT
class Skipped(Header):
    """A run that does not apply."""

    state: Literal["skipped"]
    reason: str
    timing: ShortTiming


@STRICT
class Failed(Header):
    """A run that raised an error."""

    state: Literal["failed"]
    error: Fault


Variant: TypeAlias = Ok | Diverged | Skipped | Failed


@cache
def adapter() -> TypeAdapter[Variant]:
    return TypeAdapter(Annotated[Variant, Field(discriminator="state")])


def fault(record: Record) -> str:
    """The first field of `record` that is missing, unknown or of another type, as "lacks the field ...", or that its id
    is not that of its spec; or ""."""
    try:
        adapter().validate_python(dict(record))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or "state"
        kind = {"missing": "lacks the field", "extra_forbidden": "has the unknown field"}.get(first["type"])
        return f"{kind} {field}" if kind else f"holds {first['input']!r:.60} in {field} ({first['msg']})"
    expected = id_of(record["spec"])
    return "" if record["id"] == expected else f"has an id that is not that of its spec, {expected}"


def check(record: Record, where: str) -> None:
    """Raises StoreError where `record`, which was read from `where`, has a fault."""
    if problem := fault(record):
        raise StoreError(
            f"{where} {problem}; expected a record of schema {SCHEMA} as this version writes it: "
            "move the file away and repeat `noisybench run`, which makes it again"
        )
