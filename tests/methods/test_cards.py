"""The card of a method: complete, well-formed, and the only place of its facts."""

import dataclasses
import re

import pytest

from benchmark.registry import METHODS
from methods import Card, Length, Method, Phase, Search
from methods._card import JOURNALS, VENUES
from methods.base import HINT_NAMES
from methods.gce import GCE

NAMES = [entry.name for entry in METHODS.entries()]
WITHOUT_PAPER = {"ce"}
FAMILIES = {
    "control", "robust loss", "regularization", "sample selection", "semi-supervised", "label refurbishment",
    "data cleaning", "loss correction", "reweighting", "augmentation", "raters",
}  # fmt: skip


def parse(bibtex):
    """Entry type, key and fields of a BibTeX entry whose fields stand one a line."""
    head, *lines, end = bibtex.split("\n")
    kind, key = re.fullmatch(r"@(\w+)\{([a-z0-9-]+),", head).groups()
    assert end == "}"
    pairs = [re.fullmatch(r"  (\w+) = \{(.*)\},", line) for line in lines]
    assert all(pairs), lines
    fields = {pair[1]: pair[2] for pair in pairs if pair}
    assert all(value.count("{") == value.count("}") for value in fields.values())
    return kind, key, fields


@pytest.mark.parametrize("name", NAMES)
def test_a_card_names_the_paper_and_says_what_the_method_costs_and_where_it_deviates(name):
    card = METHODS.load(name).card
    assert card.family in FAMILIES
    assert card.cost > 0
    assert card.deviations
    assert card.proof in {"golden", "closed form", "worked example"}
    assert set(card.needs) <= HINT_NAMES
    if name in WITHOUT_PAPER:
        assert not card.title
        return
    assert card.title
    assert card.authors
    assert card.venue in {*VENUES, *JOURNALS, "arXiv"}
    assert 1990 <= card.year <= 2026
    assert card.link.startswith("https://")


@pytest.mark.parametrize("name", NAMES)
def test_ids_and_addresses_are_well_formed(name):
    card = METHODS.load(name).card
    assert re.fullmatch(r"|\d{4}\.\d{4,5}", card.arxiv)
    assert re.fullmatch(r"|10\.\d{4,9}/\S+", card.doi)
    for address in (card.code, card.page):
        assert re.fullmatch(r"|https://\S+[^/\s]", address)
    if card.arxiv:
        assert abs(2000 + int(card.arxiv[:2]) - card.year) <= 2, "a preprint is about as old as its paper"


@pytest.mark.parametrize("name", sorted({*NAMES} - WITHOUT_PAPER))
def test_bibtex_holds_the_facts_of_the_card(name):
    card = METHODS.load(name).card
    kind, key, fields = parse(card.bibtex)
    preprint = card.venue == "arXiv"
    assert kind == ("misc" if preprint else "article" if card.venue in JOURNALS else "inproceedings")
    assert str(card.year) in key
    assert fields["year"] == str(card.year)
    assert fields["title"] == f"{{{card.title}}}"
    assert fields["author"].split(" and ") == card.authors.split(", ")
    if not preprint:
        assert fields["journal" if kind == "article" else "booktitle"] == (VENUES | JOURNALS)[card.venue]
    assert fields.get("eprint", "") == card.arxiv
    assert fields.get("doi", "") == card.doi


@pytest.mark.parametrize("name", sorted({*NAMES} - WITHOUT_PAPER))
def test_the_docstrings_cite_what_the_card_names(name):
    plugin = METHODS.load(name)
    module = METHODS.find(name).path.read_text(encoding="utf-8")
    assert plugin.card.citation in " ".join(module.split("card = Card(")[0].split())


@pytest.mark.parametrize("name", NAMES)
def test_facts_stand_on_the_card_and_not_again_in_the_docstring(name):
    docstring = METHODS.load(name).__doc__
    for word in ("Official settings:", "State:", "Needs:", "Cost:", "Deviations:"):
        assert word not in docstring


def test_bibtex_of_preprints_unknown_venues_and_special_characters():
    preprint = Card(title="R&D of 100% noise", authors="Ada Lovelace", venue="arXiv", year=1843, arxiv="4301.00001")
    kind, key, fields = parse(preprint.bibtex)
    assert (kind, key) == ("misc", "lovelace1843r")
    assert fields["title"] == r"{R\&D of 100\% noise}"
    assert fields["archiveprefix"] == "arXiv"
    kind, _, fields = parse(Card(title="T", authors="A B, C D", venue="MIDL", year=2020, doi="10.1/x").bibtex)
    assert (kind, fields["booktitle"], fields["doi"]) == ("inproceedings", "MIDL", "10.1/x")
    assert Card().bibtex == ""


@pytest.mark.parametrize(
    ("authors", "citation"),
    [
        ("Yang Liu", "Liu, ICML 2020"),
        ("Yang Liu, Hongyi Guo", "Liu & Guo, ICML 2020"),
        ("Aritra Ghosh, Himanshu Kumar, P. S. Sastry", "Ghosh et al., ICML 2020"),
        ("", ""),
    ],
)
def test_a_citation_names_two_authors_at_most(authors, citation):
    assert Card(authors=authors, venue="ICML", year=2020).citation == citation


def test_the_link_is_arxiv_then_doi_then_the_papers_page():
    page = "https://openreview.net/forum?id=x"
    assert Card(arxiv="1805.07836", doi="10.1/x", page=page).link == "https://arxiv.org/abs/1805.07836"
    assert Card(doi="10.1/x", page=page).link == "https://doi.org/10.1/x"
    assert Card(page=page).link == page


@pytest.mark.parametrize(
    ("name", "value"), [("needs", frozenset({"noise_rate"})), ("cost", "2x"), ("phases", ("a",)), ("family", "other")]
)
def test_a_fact_as_a_class_attribute_is_refused_with_what_to_write_instead(name, value):
    with pytest.raises(TypeError, match=rf"Mine sets the class attribute '{name}'.* write `card = Card\({name}="):
        type("Mine", (Method,), {name: value})


@pytest.mark.parametrize(
    ("kind", "facts", "told"),
    [
        (Card, {"needs": None}, r"needs=None.* expected tuple\[str, \.\.\.\]"),
        (Card, {"needs": "noise_rate"}, r"needs='noise_rate'.* a tuple of one ends with a comma"),
        (Card, {"needs": ("noise_rat",)}, "names noise_rat; expected some of clean_set, noise_rate"),
        (Card, {"min_classes": "many"}, "min_classes='many'.* expected int"),
        (Card, {"min_classes": 0}, "expected a finite number from 1 on"),
        (Card, {"cost": -3.0}, "expected a finite number from 0 on"),
        (Card, {"cost": float("nan")}, "expected a finite number from 0 on"),
        (Card, {"phases": ()}, "expected one phase or more"),
        (Card, {"phases": Phase("train")}, "a tuple of one ends with a comma"),
        (Card, {"phases": (Phase("a"), Phase("a", epochs=2))}, "names a twice"),
        (Card, {"search": Search("q", 0.1, 1.0)}, "a tuple of one ends with a comma"),
        (Card, {"search": {"q": (0.1, 1.0)}}, "expected tuple"),
        (Card, {"search": (Search("q", 0.1, 0.5), Search("q", 0.6, 0.9))}, "names q twice"),
        (Search, {"option": "q", "low": "0.1", "high": "0.5"}, "low='0.1'.* expected float"),
        (Search, {"option": "recipe", "low": 0.1, "high": 0.5}, "expected an option of the method"),
        (Phase, {"name": "warm-up", "epochs": 0}, "expected a finite number from 1 on"),
        (Phase, {"name": "warm-up", "steps": -5}, "expected a finite number from 1 on"),
        (Phase, {"name": "warm-up", "epochs": 2.5}, r"expected int \| None"),
        (Length, {"name": "ramp", "epochs": 0}, "expected a finite number from 1 on"),
    ],
)
def test_a_fact_that_no_reader_could_use_is_refused_where_it_is_written(kind, facts, told):
    with pytest.raises((TypeError, ValueError), match=told):
        kind(**facts)


def test_a_derived_class_inherits_the_card_and_may_have_its_own():
    class Mine(GCE):
        pass

    class Other(GCE):
        card = Card(needs=("noise_rate",), phases=(Phase("early"), Phase("late", epochs=10)))

    assert Mine.card is GCE.card
    assert Mine.requires(Mine.Config()) == frozenset()
    assert Other.requires(Other.Config()) == {"noise_rate"}
    assert Other.card.phase_names == ("early", "late")
    assert Method.card == Card()


@pytest.mark.parametrize("name", NAMES)
def test_the_card_that_list_reads_without_importing_is_the_methods_own(name):
    assert METHODS.find(name).declared["card"] == dataclasses.asdict(METHODS.load(name).card)
