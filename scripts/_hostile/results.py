"""Results folders and published folders of somebody else: damaged, foreign, or changed with right digests."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import numpy as np
import orjson

from benchmark.store import arrays, checksums, digests
from scripts._hostile import texts
from scripts._hostile.case import Case
from scripts._hostile.material import PUBLISHED, RESULTS, Material

OUT = ("out", "out.csv", "out.svg")
READING: tuple[tuple[str, ...], ...] = (
    ("table",),
    ("table", "--rule", "last", "--format", "csv"),
    ("table", "--format", "latex", "--layout", "leaderboard"),
    ("table", "--format", "html", "--timing", "--diagnostics"),
    ("status",),
    ("runs",),
    ("runs", "--format", "csv"),
    ("show", "RUN"),
    ("doctor", "--dry-run"),
    ("doctor",),
    ("compact",),
    ("diff", "results", "results"),
    ("rm", "--dry-run", "RUN"),
    ("rm", "--yes", "RUN"),
    ("report", "--out", "out"),
    ("plot", "rate", "--out", "out.svg"),
    ("plot", "curves", "--out", "out.svg"),
    ("plot", "confusion", "--out", "out.svg"),
    ("plot", "reliability", "--out", "out.svg"),
    ("clinical",),
    ("merge", "results", "--results", "out"),
    ("predict", "RUN", "cells.npz", "--out", "out.csv"),
    ("explain", "RUN", "-d", "npz:cells.npz", "--out", "out", "--per-class", "1"),
)
READING_PUBLISHED: tuple[tuple[str, ...], ...] = (
    ("verify", "pub"),
    ("table", "--with", "pub", "--results", "none"),
    ("table", "--with", "pub"),
    ("runs", "--results", "pub"),
    ("diff", "pub", "results"),
    ("report", "--with", "pub", "--out", "out"),
    ("merge", "pub", "--results", "out"),
    ("compare", "gce", "--with", "pub"),
)
TREE = "results/"


def draw(material: Material, random: Random) -> Case:
    if random.random() < 0.35:
        return _published(material, random)
    base = RESULTS if random.random() < 0.7 else PUBLISHED
    names = [name for name in material.files(base) if name.startswith(TREE)]
    name = random.choice(names)
    content = material.content(f"{base}/{name}")
    files = {name: content}
    if name.endswith(".json") and random.random() < 0.7:
        what, files[name] = _record(content, random)
    elif name.endswith(".predictions.npz") and random.random() < 0.5:
        what, files[name] = _predictions(content, name, random)
    elif name.endswith(".safetensors") and random.random() < 0.5:
        what, files[name] = _model(content, name, random)
    elif random.random() < 0.2:
        what, files = _strange(name, content, random)
    else:
        what, files[name] = texts.damaged(content, random)
    arguments = random.choice(READING)
    run = name.rpartition("/")[2].partition(".")[0].partition("-")[0]
    arguments = tuple(run if word == "RUN" else word for word in arguments)
    kind = name.removeprefix(TREE).partition("/")[0] + name[name.rindex(".") :]
    return Case("results", f"{kind}: {what}", arguments, files, base, writes=OUT, reports=True)


def _record(content: bytes, random: Random) -> tuple[str, bytes]:
    """A record with another value in one place, sealed again as its author would."""
    record = orjson.loads(content)
    record.pop("digest")
    what = change(record, random)
    try:
        return what, digests.seal_json(record)
    except (TypeError, ValueError, orjson.JSONEncodeError):  # a number that our own writer refuses
        return what, content.replace(b'"epoch":1', b'"epoch":1e999')


def change(record: dict[str, Any], random: Random) -> str:
    """Replaces, removes or adds one value anywhere in `record`; returns what."""
    holder: Any = record
    place = []
    while isinstance(holder, (dict, list)) and holder:
        key = random.choice(sorted(holder)) if isinstance(holder, dict) else random.randrange(len(holder))
        place.append(key)
        inner = holder[key]
        if not isinstance(inner, (dict, list)) or not inner or random.random() < 0.15:
            break
        holder = inner
    where = ".".join(map(str, place))
    kind = random.choice(["replaced", "replaced", "replaced", "removed", "added"])
    if kind == "removed":
        del holder[place[-1]]
        return f"without {where}"
    value: Any = random.choice(
        [
            *(None, True, -1, 0, 2**63 - 1, 1e308, [], {}, "", [[]], {"a": {"b": 1}}, ["x"], "sha256:" + "0" * 64),
            *(texts.text(random), "../../outside/canary.txt", "<script>alert(1)</script>", "\x1b[31m", "x" * 3000),
        ]
    )
    if kind == "added" and isinstance(holder, dict):
        name = texts.text(random)
        holder[name] = value
        return f"{where} beside {name[:20]!r}"
    holder[place[-1]] = value
    return f"{where} = {str(value)[:30]!r}"


def _predictions(content: bytes, name: str, random: Random) -> tuple[str, bytes]:
    """Predictions of other shapes and names, sealed again."""
    run = name.rpartition("/")[2].partition(".")[0]
    kept = arrays.unseal_npz(content, run)
    key = random.choice(sorted(kept))
    array = kept[key]
    what, changed = random.choice(
        [
            ("removed", None),
            ("NaN", np.full(array.shape, np.nan)),
            ("cut", array[: len(array) // 2] if array.ndim else array),
            ("flat", array.ravel()),
            ("texts", np.array(["\x1b[31m<script>"] * 3)),
            ("negative", np.full(array.shape, -1)),
            ("empty", np.zeros(0)),
            ("huge", np.full(array.shape, 2**62)),
        ]
    )
    if changed is None:
        del kept[key]
    else:
        kept[key] = changed
    return f"{key} {what}", arrays.seal_npz(kept, run)


def _model(content: bytes, name: str, random: Random) -> tuple[str, bytes]:
    """A model whose description or tensors are others, sealed again."""
    from safetensors.torch import load, save

    run = name.rpartition("/")[2].partition(".")[0]
    length = int.from_bytes(content[:8], "little")
    about = orjson.loads(orjson.loads(content[8 : 8 + length])["__metadata__"]["about"])
    tensors = load(content)
    if random.random() < 0.7:
        what = "about: " + change(about, random)
    else:
        removed = random.choice(sorted(tensors))
        del tensors[removed]
        what = f"without {removed}"
    told = orjson.dumps(about).decode().replace("sha256:", r"sha256\u003a")
    return what, digests.seal(save(tensors, metadata={"about": told, "digest": digests.SLOT.decode()}), run)


def _strange(name: str, content: bytes, random: Random) -> tuple[str, dict[str, bytes]]:
    """Files of names that no command of ours writes."""
    strange = random.choice(
        [
            *(
                "results/runs/zz/../../../results/x.json",
                "results/runs/00/0000000000000000.json",
                "results/runs/x.json",
            ),
            *("results/runs/3f/3f (1).json", "results/runs/\x1b[31m/a.json", "results/failures/a\nb-001.json"),
            *("results/segments/x.parquet", "results/runs/00/--help.json", "results/runs/00/'$(touch x)'.json"),
        ]
    )
    return f"a file {strange!r}", {strange: random.choice([content, b"{}", b"", b"[]", b"null", b'{"schema": 99}'])}


# Published folders


def _published(material: Material, random: Random) -> Case:
    names = [name for name in material.files(PUBLISHED) if name.startswith("pub/")]
    contents = {name: material.content(f"{PUBLISHED}/{name}") for name in names}
    name = random.choice([*names, *["pub/records.parquet"] * 3])
    kind = random.choice(["bytes", "sealed", "sums", "rows", "rows"])
    files = {}
    if kind == "sums":
        what, files["pub/SHA256SUMS"] = _sums(contents["pub/SHA256SUMS"], random)
    else:
        if kind == "rows":
            name = "pub/records.parquet"
            what, files[name] = _rows(contents[name], random)
        else:
            what, files[name] = texts.damaged(contents[name], random)
        what = f"{name}: {what}"
        if kind != "bytes" and name != "pub/SHA256SUMS":
            listed = {one.removeprefix("pub/"): files.get(one, content) for one, content in contents.items()}
            del listed["SHA256SUMS"]
            files["pub/SHA256SUMS"] = checksums.encode(listed)
            what += ", with its right checksum"
    arguments = random.choice(READING_PUBLISHED)
    return Case("results", what, arguments, files, PUBLISHED, writes=OUT, reports=True)


def _sums(content: bytes, random: Random) -> tuple[str, bytes]:
    line = b"0" * 64 + b"  "
    outside = random.choice([b"../outside/canary.txt", b"/etc/passwd", b"a/../../x", b"..", b"\x1b[31m", b"README.md"])
    return f"a line {outside!r}", random.choice([content + line + outside + b"\n", line + outside + b"\n" + content])


def _rows(content: bytes, random: Random) -> tuple[str, bytes]:
    """The table of records with one cell, column or row changed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    at = random.randrange(table.num_columns)
    column, rows = table.column_names[at], table.column(at).to_pylist()
    kind = random.choice(["cell", "cell", "cell", "removed", "doubled", "rows", "renamed"])
    if kind == "removed":
        table = table.remove_column(at)
    elif kind == "doubled":
        table = table.append_column(column, table.column(at))
    elif kind == "rows":
        table = (
            pa.concat_tables([table, table]) if random.random() < 0.5 else table.slice(0, random.randrange(len(rows)))
        )
    elif kind == "renamed":
        table = table.rename_columns(
            [texts.text(random) if k == at else name for k, name in enumerate(table.column_names)]
        )
    else:
        row = random.randrange(len(rows))
        kinds: dict[type, list[Any]] = {
            str: ["", "../x", "<script>", "\x1b[31m", "{}", "[", "null", "x" * 2000],
            bytes: [b"", b"\xff", random.randbytes(30), texts.damaged(rows[row] or b"", random)[1]]
            if rows[row]
            else [b""],
            int: [-1, 0, 99, 2**31],
            float: [float("nan"), float("inf"), -1.0, 1e308],
        }
        values = kinds.get(type(rows[row]), [None])
        rows[row] = random.choice([*values, None])
        try:
            table = table.set_column(at, table.schema.field(at), pa.array(rows, table.schema.field(at).type))
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            return "bytes", texts.damaged(content, random)[1]
    packed = io.BytesIO()
    pq.write_table(table, packed)
    return f"{kind} of {column[:40]}", packed.getvalue()
