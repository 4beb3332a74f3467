"""What networks that were trained on the labels show: which method, how well, elsewhere, and how sure."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmark.report.brief.facts import MethodFacts, Recognition, Share
from benchmark.report.brief.numbers import SIGN, count, percent, points, share
from benchmark.report.document import Grid, Section, Span, grid, plain, strong
from benchmark.report.layouts.advice import Advice, gains_little, shows_a_gain

SMALL = 0.02
"""Mean distance of certainty and share of right answers that a reader need not mind."""


def method_points(facts: MethodFacts, rate: Share | None) -> Iterator[str]:
    yield _recommended(facts)
    here, *elsewhere = facts.tests
    worst = here.classes.loc[here.classes["sensitivity"].idxmin()]
    most = f" As test labels are wrong too, a perfect one would reach about {percent(1 - rate.value)}." if rate else ""
    yield (
        f"A network that is trained so ({facts.network}) recognises {share(here.all)} of the test images; the weakest "
        f"class is {worst['class']} with {percent(worst['sensitivity'])}.{most}"
    )
    for other in elsewhere:
        yield f"Of the images of {other.site} it recognises {share(other.all)}: {_change(here, other)}."
    yield _verdict(facts)


def _change(here: Recognition, other: Recognition) -> str:
    """How `other` differs from the test images."""
    rise = round(100 * other.all.value) - round(100 * here.all.value)  # of the shares as the reader sees them
    if not rise:
        return "as many as of the test images"
    points = f"{abs(rise)} percentage point{'' if abs(rise) == 1 else 's'}"
    return f"{points} {'more' if rise > 0 else 'fewer'} than of the test images"


def method_parts(facts: MethodFacts, rate: Share | None) -> Iterator[Section]:
    yield _method(facts)
    yield _recognition(facts, rate)
    if facts.tests[1:]:
        yield _elsewhere(facts)
    yield _certainty(facts)


def _recommended(facts: MethodFacts) -> str:
    advice, better = facts.advice, shows_a_gain(facts.advice)
    if advice.methods is None:
        few = f"{count(advice.images, 'validation image')} are too few to tell training methods apart"
        return f"Train as usual ({advice.baseline}): {few}."
    if better is not None:
        row = advice.methods.loc[better]
        gain = f"{points(row['gain'])} percentage points right answers ({points(row['low'])} to {points(row['high'])})"
        return f"Train with the method {better}: expected gain over usual training {gain}."
    if gains_little(advice):
        return f"Train as usual ({advice.baseline}): no special method gains much on these data."
    return (
        f"Train as usual ({advice.baseline}): these data do not show that a special method is better, nor that none is."
    )


def _method(facts: MethodFacts) -> Section:
    advice = facts.advice
    said = [
        _recommended(facts),
        f"{count(len(facts.about), 'training method')} learned from the labels as they are, "
        f"{count(advice.seeds, 'time')} each, and were compared on {count(advice.images, 'validation image')}. The "
        f"network is {facts.network}.",
    ]
    if facts.method != advice.baseline:
        said.append(f"What {facts.method} is: {facts.about[facts.method]}.")
    if facts.other_runs:
        said.append(f"{count(facts.other_runs, 'run')} of other networks, settings or labels are not shown here.")
    grids = () if advice.methods is None else (_methods(advice.methods, advice),)
    command = (Span("To train it: "), Span(facts.command, "code"), Span(f" ({facts.unknown})" if facts.unknown else ""))
    return Section("Which training method, and why", (*map(plain, said), command), grids)


def _methods(found: pd.DataFrame, advice: Advice) -> Grid:
    rows = [
        [
            str(name),
            "usual training" if name == advice.baseline else _gain(row),
            percent(row["best"]),
            "yes" if row["chosen"] else "",
        ]
        for name, row in found.iterrows()
    ]
    caption = (
        *strong("Gain over usual training"),
        Span(
            " in percentage points of right answers, with 95 % intervals. Candidates: one of them is very likely "
            f"within {100 * advice.margin:g} points of the best"
        ),
    )
    return grid(caption, ["method", "gain", "probability of being best", "candidate"], rows)


def _gain(row: pd.Series) -> str:
    return f"{points(row['gain'])} ({points(row['low'])} to {points(row['high'])})"


def _recognition(facts: MethodFacts, rate: Share | None) -> Section:
    here = facts.tests[0]
    said = [
        f"{_measured(here)}, mean of {count(len(facts.ids), 'network')} trained with {facts.method}. Recognised: of "
        "the images with this label, the share that the network gives the same name (sensitivity). Right when named: "
        "of the images that the network gives this name, the share that has it as label (positive predictive value; it "
        "holds where classes are as frequent as here)."
    ]
    if rate is not None:
        reach = percent(1 - rate.value)
        said.append(
            f"With about {percent(rate.value)} wrong labels among the test images, even a perfect network would agree "
            f"with only about {reach} of them."
        )
    return Section("How well each class is recognised", tuple(map(plain, said)), (_classes(here),))


def _elsewhere(facts: MethodFacts) -> Section:
    here, *others = facts.tests
    said = []
    for other in others:
        said.append(f"{_measured(other)}. Recognised: {share(other.all)}, {_change(here, other)} above.")
        if other.shared:
            said.append(f"{count(other.shared, 'image')} of {other.site} were learned from too: this looks too good.")
    notes = tuple(plain(note) for other in others for note in other.notes)
    return Section("The other hospital", tuple(map(plain, said)), tuple(map(_classes, others)), notes=notes)


def _measured(test: Recognition) -> str:
    patients = "" if test.patients is None else f" of {count(test.patients, 'patient')}"
    units = "patients" if test.patients is not None else "images, as patients are not known"
    return f"Measured on {count(test.images, 'image')}{patients}; intervals (95 %) are over {units}"


def _classes(test: Recognition) -> Grid:
    rows = [
        [str(row["class"]), f"{row['images']:,.0f}", share(_of(row, "sensitivity")), share(_of(row, "ppv"))]
        for _, row in test.classes.iterrows()
    ]
    rows.append(["all classes", f"{test.images:,}", share(test.all), ""])
    name = "Test images" if test.site == "test" else f"Images of {test.site}"
    return grid(strong(name), ["class", "images", "recognised", "right when named"], rows)


def _of(row: pd.Series, rate: str) -> Share:
    return Share(row[rate], row[f"{rate}_low"], row[f"{rate}_high"])


def _certainty(facts: MethodFacts) -> Section:
    bands = facts.certainty
    rows = [
        [
            _band(row["from"], row["to"]),
            f"{row['images']:,.0f}",
            percent(row["certain"]),
            share(Share(row["right"], row["low"], row["high"])),
        ]
        for _, row in bands[bands["images"] > 0].iterrows()
    ]
    table = grid(
        (*strong("Certainty and right answers"), Span(" on the test images")),
        ["it says it is sure to", "images", "certainty, mean", "right answers"],
        rows,
    )
    said = (
        f"{_verdict(facts)} A network whose certainty can be believed is right in 90 % of the images of which it is "
        "90 % sure. Wrong test labels count as wrong answers, so the true shares are probably higher."
    )
    return Section("Can its certainty be believed", (plain(said),), (table,))


def _verdict(facts: MethodFacts) -> str:
    sure, right = facts.sure, facts.tests[0].all.value
    off = f"it is {percent(sure)} sure on average and right in {percent(right)}"
    if abs(sure - right) < SMALL:
        return f"Its certainty can be believed on average: {off}."
    return f"It is too {'sure' if sure > right else 'unsure'} of itself: {off}."


def _band(begin: float, end: float) -> str:
    return f"{percent(begin)} or more" if end >= 1 else f"{percent(begin).removesuffix(SIGN)} to {percent(end)}"
