"""Tables of labels: noisy labels, corrected labels, reviews, manifests; and the tables of `table:FILE`."""

from __future__ import annotations

import csv
import io
import zipfile
from random import Random

from scripts._hostile import texts
from scripts._hostile.case import Case, Outcome
from scripts._hostile.material import IMAGES, WRITTEN, Material

DATA = ("-d", "npz:cells.npz")
WAYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "noisy.csv": (
        ("run", *DATA, "-m", "ce", "--noise-file", "noisy.csv", "--dry-run"),
        ("noise", "show", *DATA, "-n", "file:noisy.csv"),
    ),
    "labels.csv": (
        ("run", *DATA, "-m", "ce", "-n", "none", "--labels", "labels.csv", "--dry-run"),
        ("noise", "show", "-d", "npz:cells.npz,labels=labels.csv", "-n", "symmetric:0.2"),
        ("relabel", "revert", "labels.csv", "--out", "out.csv"),
    ),
    "labels.history.json": (("relabel", "revert", "labels.csv", "--out", "out.csv"),),
    "found/suspects.csv": (
        ("relabel", "apply", "found/suspects.csv", *DATA, "--out", "out.csv"),
        ("brief", *DATA, "--suspects", "found", "--out", "out"),
    ),
    "found/summary.json": (("brief", *DATA, "--suspects", "found", "--out", "out"),),
    "found/probabilities.npz": (("brief", *DATA, "--suspects", "found", "--out", "out"),),
    "made/cells-symmetric0.4-s0.json": (("noise", "verify", "made/cells-symmetric0.4-s0.json", *DATA),),
    "made/cells-symmetric0.4-s0.npz": (("noise", "verify", "made/cells-symmetric0.4-s0.json", *DATA),),
}
"""File -> command lines that read it."""
TABLES = ("table.csv", "table.xlsx", "table.parquet", "study.toml")
COLUMNS = ",root=images,file=file,label=diagnosis,patient=patient,size=8"


def draw_labels(material: Material, random: Random) -> Case:
    name = random.choice(sorted(WAYS))
    content = material.content(f"{WRITTEN}/{name}")
    outcome: Outcome = "either"
    if name.endswith(".npz") or random.random() < 0.25:
        what, content = texts.damaged(content, random)
    elif name.endswith(".json"):
        what, content = _json(content, random)
    else:
        what, content, outcome = _csv(content, random)
    if name.startswith("found"):
        outcome = "either"  # texts for people, and decisions that may be right
    arguments = random.choice(WAYS[name])
    writes = ("out", "out.csv", "out.history.json")
    reports = arguments[:2] in (("noise", "verify"), ("data", "info"))
    return Case("labels", f"{name}: {what}", arguments, {name: content}, WRITTEN, outcome, writes, reports)


def _csv(content: bytes, random: Random) -> tuple[str, bytes, Outcome]:
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    at, column = random.randrange(len(rows)), random.randrange(len(rows[0]))
    kind = random.choice(
        ["cell", "cell", "cell", "row twice", "row removed", "column", "encoding", "quote", "long", "wide"]
    )
    if kind == "cell":
        value = texts.text(random)
        rows[at][column] = value
        return f"row {at + 1}, {rows[0][column]}: {value[:40]!r}", _lines(rows), "either"
    if kind == "row twice":
        rows.insert(at, rows[at])
    elif kind == "row removed":
        del rows[at]
    elif kind == "column":
        for row in rows:
            row.insert(column, row[column])
    elif kind == "encoding":
        name = random.choice(["utf-16", "utf-32", "utf-7"])
        return f"in {name}", content.decode().encode(name), "either"
    elif kind == "quote":
        return "a quote that does not end", content[: len(content) // 2] + b'"' + content[len(content) // 2 :], "either"
    elif kind == "long":
        rows[at][column] = "9" * 200_000
    else:
        rows[at] = rows[at] * 1000
    outcome: Outcome = "either" if kind in ("column", "long") else "refused"
    return kind, _lines(rows), outcome


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _json(content: bytes, random: Random) -> tuple[str, bytes]:
    """Another value in place of one that is there, as text."""
    text = content.decode()
    colons = [at for at, character in enumerate(text) if character == ":"]
    at = random.choice(colons) + 1
    end = min((found for mark in ",}]\n" if (found := text.find(mark, at)) >= 0), default=len(text))
    value = random.choice(
        [
            "null",
            "-1",
            "1e999",
            "NaN",
            '"\\u001b[31m"',
            '"../outside/x"',
            "[]",
            "{}",
            "true",
            '"\\ud800"',
            "[" * 5000,
            "9" * 400,
        ]
    )
    return f"{value[:20]} in place of {text[at:end].strip()[:20]}", (text[:at] + value + text[end:]).encode()


def draw_tables(material: Material, random: Random) -> Case:
    name = random.choice(TABLES)
    content = material.content(f"{IMAGES}/{name}")
    outcome: Outcome = "either"
    files = {}
    if random.random() < 0.3 or name.endswith(".parquet"):
        what, content = texts.damaged(content, random)
    elif name.endswith(".toml"):
        what, content = _toml(content, random)
    elif name.endswith(".csv"):
        what, content, _ = _csv(content, random)
    else:
        what, content = _xlsx(content, random)
    files[name] = content
    target = name if name.endswith(".toml") else name + COLUMNS
    arguments = random.choice(
        [
            ("data", "info", f"table:{target}"),
            ("data", "info", f"table:{target}"),
            ("data", "info", f"table:{name}"),
            ("data", "describe", name, "--root", "images", "--out", "out.toml"),
            ("run", "-d", f"table:{target}", "-m", "ce", "-n", "none", "--epochs", "1", "--dry-run"),
        ]
    )
    reports = arguments[0] == "run"
    return Case("tables", f"{name}: {what}", arguments, files, IMAGES, outcome, ("out.toml",), reports)


def _toml(content: bytes, random: Random) -> tuple[str, bytes]:
    lines = content.decode().splitlines()
    at = random.randrange(len(lines))
    key = lines[at].partition("=")[0]
    value = random.choice(
        [
            *(
                '"../outside"',
                '"../outside/canary.txt"',
                '"/"',
                '"/etc/passwd"',
                '"study.toml"',
                "nan",
                "-1",
                "10000000",
            ),
            *("[]", "{}", '"\\u001b[31m"', '"\\u0000"', "2026-01-01", '["a", "a"]', '"x"', "[" * 400 + "]" * 400),
        ]
    )
    lines[at] = f"{key}= {value}"
    if random.random() < 0.3:
        lines.append(f"{random.choice(['raters', 'missing', 'only_sites', 'unknown', 'pixels', 'merge'])} = {value}")
    return f"{key.strip()} = {value[:40]}", "\n".join(lines).encode()


def _xlsx(content: bytes, random: Random) -> tuple[str, bytes]:
    """A part of the archive is damaged, replaced by hostile XML, or becomes a bomb."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(sorted(parts))
    kind = random.choice(["removed", "damaged", "entities", "external", "bomb", "cells"])
    if kind == "removed":
        del parts[name]
    elif kind == "damaged":
        parts[name] = texts.damaged(parts[name], random)[1]
    elif kind == "entities":
        lol = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
        parts[name] = f'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY l0 "lol">{lol}]><z>&l9;</z>'.encode()
    elif kind == "external":
        parts[name] = b'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY x SYSTEM "file:///etc/passwd">]><z>&x;</z>'
    elif kind == "bomb":
        parts[name] = parts[name] + b" " * (60 << 20)
    else:
        value = random.choice([b"1e999", b"<t>x</t>", b"999999", b"-5", b"\xff\xfe", b"NaN"])
        parts[name] = parts[name].replace(b"<v>1</v>", b"<v>" + value + b"</v>")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, inner in parts.items():
            archive.writestr(part, inner)
    return f"{name} {kind}", packed.getvalue()
