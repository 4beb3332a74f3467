"""The card of a method: its paper, what it needs and costs, and where it departs from the published form.

`noisybench list` reads cards without importing the file, so every keyword of `Card(...)` in a method file
is a literal: strings, numbers, tuples of them, `Phase("name", epochs=10)`, `Length`, `Memory` and `Search`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from methods._facts import Facts, distinct, not_below

VENUES = {
    "AAAI": "AAAI Conference on Artificial Intelligence",
    "CVPR": "IEEE/CVF Conference on Computer Vision and Pattern Recognition",
    "ICCV": "IEEE/CVF International Conference on Computer Vision",
    "ICLR": "International Conference on Learning Representations",
    "ICLR workshop": "International Conference on Learning Representations, workshop track",
    "ICML": "International Conference on Machine Learning",
    "IJCAI": "International Joint Conference on Artificial Intelligence",
    "NeurIPS": "Advances in Neural Information Processing Systems",
}
JOURNALS = {
    "JAIR": "Journal of Artificial Intelligence Research",
    "JMLR": "Journal of Machine Learning Research",
    "TMLR": "Transactions on Machine Learning Research",
    "TPAMI": "IEEE Transactions on Pattern Analysis and Machine Intelligence",
}

UNDER_NOISE = {
    "baseline": "it is what the others are compared with",
    "regularizer": "it smooths targets or weights, by which wrong labels are learned later, but are learned",
    "near cross entropy": "with its published setting the loss hardly differs from cross entropy",
    "unbounded below": "its corrected loss has no lower bound, so that fitting all labels keeps lowering it",
    "starts late": "it trains with plain cross entropy for most of the run, and wrong labels are learned by then",
}
"""Why a method may end no better than cross entropy where wrong labels are memorized: a closed list."""

HINT_NAMES = frozenset({"noise_rate", "transition", "clean_set", "soft_labels"})
"""What a method may be told beside the noisy labels."""


@dataclass(frozen=True)
class Phase(Facts):
    """A part of the training that `Method.phase` names, with its length in the paper's main experiment."""

    name: str
    epochs: int | None = None
    """Official length in epochs; None where neither paper nor code says."""
    steps: int | None = None
    """Official length in optimizer steps; None where neither paper nor code says."""
    plain: bool = False
    """Whether it is plain training with cross entropy: an epoch of it says nothing of the method."""

    def __post_init__(self) -> None:
        super().__post_init__()
        not_below(self, 1, "epochs", "steps")


@dataclass(frozen=True)
class Length(Facts):
    """A length in the paper's main experiment beside those of the phases: such as of a ramp."""

    name: str
    epochs: int | None = None
    """None where neither paper nor code says."""
    steps: int | None = None
    """In optimizer steps; None where neither paper nor code says."""
    largest: float | None = None
    """Its largest part of the run, by default that of the schedule rule. More than 1 for what is trained beside the
    run and takes no epoch from it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        not_below(self, 1, "epochs", "steps")


@dataclass(frozen=True)
class Memory(Facts):
    """An exponential average: m <- decay * m + (1 - decay) * new, once per step or epoch."""

    name: str
    decay: float
    """In the paper's main experiment."""
    per: Literal["step", "epoch"] = "step"


@dataclass(frozen=True)
class Search(Facts):
    """The range of an option that `--tune` searches."""

    option: str
    low: float
    high: float
    log: bool = False
    """Whether points are drawn evenly in the logarithm."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.option == "recipe":
            raise ValueError(
                "Search('recipe', ...): expected an option of the method; --tune searches the learning rate"
            )
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            fault = "finite numbers, the lower one first"
        elif self.log and self.low <= 0:
            fault = "a range above 0, or no log=True"
        else:
            return
        raise ValueError(f"the search range of {self.option!r} goes from {self.low} to {self.high}; expected {fault}")


@dataclass(frozen=True)
class Card(Facts):
    """What is known of a method beside its formula."""

    title: str = ""
    """Of the paper; empty for what is in no paper."""
    authors: str = ""
    """Full names, separated by ", "."""
    venue: str = ""
    """As it is usually abbreviated, such as "NeurIPS"; "arXiv" for a preprint."""
    year: int = 0
    arxiv: str = ""
    """Such as "1805.07836"."""
    doi: str = ""
    page: str = ""
    """Address of the paper where it has neither arXiv id nor DOI."""
    code: str = ""
    """Address of the official repository."""

    family: str = "other"
    cost: float = 1.0
    """Forward and backward passes relative to cross entropy, with the default options."""
    cost_note: str = ""
    """What the further passes are for, or which options change their number."""
    needs: tuple[str, ...] = ()
    """What it is told beside the noisy labels: of "noise_rate", "transition", "clean_set" and "soft_labels"."""
    tasks: tuple[str, ...] = ("multiclass",)
    """Tasks that it can be trained on; a run on any other is skipped, with the reason."""
    min_classes: int = 2
    frozen: bool = False
    """Whether it works on the features of a frozen backbone only; a run on any other is skipped, with the reason."""
    images_only: bool = False
    """Whether it needs images; a run on the features of a frozen backbone is skipped, with the reason."""
    trains: bool = True
    """False where nothing is trained and every epoch would give the same: only the first and the last one are run."""
    networks_at_test: int = 1
    search: tuple[Search, ...] = ()
    """Ranges of its own options that `--tune` searches, beside the learning rate, which is searched for all."""
    phases: tuple[Phase, ...] = (Phase("train"),)
    """All phases that `Method.phase` names, in order; a contract test checks that a run of 8 epochs enters each.

    Together they are the paper's whole training. `methods._schedule` says how long they last in a run.
    """
    lengths: tuple[Length, ...] = ()
    """Other lengths that follow the schedule rule."""
    memories: tuple[Memory, ...] = ()
    """Exponential averages that follow the schedule rule."""

    official: str = ""
    """The settings as published."""
    state: str = "none"
    """What is remembered from step to step beside networks and optimizers, with shapes."""
    deviations: str = "none"
    """Where the default departs from the paper."""
    fidelity: str = "paper form"
    """The deviations in a few words, for lists."""
    proof: str = "none"
    """What the numbers are checked against: "golden", "closed form" or "worked example"."""
    under_noise: str = ""
    """Of `UNDER_NOISE`: why it does not end above `ce` where wrong labels are memorized; empty where it does."""
    equals_ce: str = ""
    """Why the trained weights may equal those of `ce`, where the method's mathematics says so."""
    reproduction: str = "not run"
    """The outcome of a repetition of a published experiment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        not_below(self, 0, "cost")
        not_below(self, 1, "min_classes", "networks_at_test")
        if unknown := sorted({*self.needs} - HINT_NAMES):
            raise ValueError(
                f"Card(needs=...) names {', '.join(unknown)}; expected some of {', '.join(sorted(HINT_NAMES))}"
            )
        if not self.phases:
            raise ValueError(
                'Card(phases=()): expected one phase or more, such as phases=(Phase("train", epochs=100),)'
            )
        distinct(self, "phases", self.phase_names)
        distinct(self, "search", (one.option for one in self.search))

    @property
    def plain_phases(self) -> frozenset[str]:
        """Names of the phases in which the method has not begun."""
        return frozenset(phase.name for phase in self.phases if phase.plain)

    @property
    def early_phases(self) -> frozenset[str]:
        """Names of the phases in which the method has begun that come before its last one."""
        return frozenset(phase.name for phase in self.phases[:-1] if not phase.plain)

    @property
    def phase_names(self) -> tuple[str, ...]:
        return tuple(phase.name for phase in self.phases)

    @property
    def citation(self) -> str:
        """Such as "Zhang & Sabuncu, NeurIPS 2018"; empty without a paper."""
        if not self.authors:
            return ""
        names = [_surname(author) for author in self.authors.split(", ")]
        return f"{' & '.join(names) if len(names) < 3 else names[0] + ' et al.'}, {self.venue} {self.year}"

    @property
    def link(self) -> str:
        """Address of the paper; empty where none is known."""
        if self.arxiv:
            return f"https://arxiv.org/abs/{self.arxiv}"
        return f"https://doi.org/{self.doi}" if self.doi else self.page

    @property
    def bibtex(self) -> str:
        """The BibTeX entry of the paper; empty without a paper."""
        if not self.title:
            return ""
        if self.venue in JOURNALS:
            kind, published = "article", {"journal": JOURNALS[self.venue]}
        elif self.venue in ("", "arXiv"):
            kind, published = "misc", {}
        else:
            kind, published = "inproceedings", {"booktitle": VENUES.get(self.venue, self.venue)}
        fields = {
            "title": f"{{{_escaped(self.title)}}}",  # the second braces keep capitals
            "author": _escaped(self.authors.replace(", ", " and ")),
            **published,
            "year": str(self.year),
            **({"eprint": self.arxiv, "archiveprefix": "arXiv"} if self.arxiv else {}),
            **({"doi": self.doi} if self.doi else {}),
            **({"url": self.page} if self.page else {}),
        }
        first_word = re.findall(r"\w+", self.title)[0]
        key = f"{_surname(self.authors.split(', ')[0])}{self.year}{first_word}".lower()
        lines = [f"  {name} = {{{value}}},\n" for name, value in fields.items()]
        return f"@{kind}{{{key},\n{''.join(lines)}}}"


def _surname(author: str) -> str:
    return author.split()[-1]


def _escaped(text: str) -> str:
    """`text` with LaTeX's special characters escaped."""
    return re.sub(r"([&%#_$])", r"\\\1", text)
