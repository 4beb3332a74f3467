"""Files of arrays: npz data sets, and matrices T."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from scripts._hostile import texts
from scripts._hostile.case import Case, Outcome
from scripts._hostile.material import CELLS, Material, cells, npz

DATA = "npz:bad.npz"
COMMANDS = (
    ("data", "info", DATA),
    ("noise", "show", "-d", DATA, "-n", "symmetric:0.2"),
    ("run", "-d", DATA, "-m", "ce", "-n", "symmetric:0.2", "--epochs", "1", "--dry-run"),
    ("data", "verify", DATA),
    ("data", "preview", DATA, "--out", "out.png"),
    ("data", "info", "npz:cells.npz", "--left-out"),
    ("data", "verify", "npz:cells.npz", "--extra-test", f"other={DATA}"),
)
BOMB = 400 << 20
"""Bytes that a bomb unpacks to."""
NPY_KINDS = ("float64", "float16", "complex64", "bool", "<U3", "S2", "datetime64[s]", ">i8", "uint64", "int8", "V4")


class Payload:
    """What an unpickler would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("touch ../outside/pickle",)


def objects() -> np.ndarray:
    array = np.empty(3, dtype=object)
    array[:] = Payload()
    return array


def npy(array: np.ndarray, header: bytes | None = None) -> bytes:
    """A .npy file, with another `header` where it is given."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    if header is None:
        return content.getvalue()
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + array.tobytes()


def draw_npz(material: Material, random: Random) -> Case:
    kind = random.choice([_bytes, _types, _shapes, _labels, _labels, _members, _headers, _names, _bomb, _pickle])
    what, content, outcome = kind(random)
    arguments = random.choice(COMMANDS[:5] if outcome == "refused" else COMMANDS)
    files = {"cells.npz" if arguments[1:3] == ("info", "npz:cells.npz") else "bad.npz": content}
    # A grid on data that cannot be read is planned, and its runs fail with the reason.
    return Case(
        "npz", what, arguments, files, CELLS, outcome, writes=("out.png",), reports=arguments[0] in ("data", "run")
    )


def _bytes(random: Random) -> tuple[str, bytes, Outcome]:
    what, content = texts.damaged(npz(cells()), random)
    return f"bytes {what}", content, "either"


def _types(random: Random) -> tuple[str, bytes, Outcome]:
    arrays = cells()
    name, kind = random.choice(sorted(arrays)), random.choice(NPY_KINDS)
    try:
        arrays[name] = arrays[name].astype(kind)
    except (ValueError, TypeError):
        arrays[name] = np.zeros(arrays[name].shape, kind)
    return f"{name} as {kind}", npz(arrays), "refused" if name.endswith("images") else "either"


def _shapes(random: Random) -> tuple[str, bytes, Outcome]:
    arrays = cells()
    name = random.choice(sorted(arrays))
    array = arrays[name]
    change = random.choice(
        [
            ("empty", lambda a: a[:0]),
            ("flat", lambda a: a.ravel()),
            ("transposed", lambda a: a.T.copy()),
            ("0-dimensional", lambda a: np.array(a.ravel()[0])),
            ("of one more axis", lambda a: a[None]),
            ("of 40 axes", lambda a: a.reshape(*a.shape, *[1] * (40 - a.ndim))),
            ("cut", lambda a: a[: len(a) // 2]),
            ("doubled", lambda a: np.concatenate([a, a])),
            ("without pixels", lambda a: a[..., :0]),
        ]
    )
    arrays[name] = change[1](array)
    refused = change[0] not in ("of one more axis",) and not (
        name == "class_names" and change[0] in ("flat", "transposed")
    )
    refused = refused and not (name.endswith("labels") and change[0] in ("flat", "transposed"))
    return f"{name} {change[0]}", npz(arrays), "refused" if refused and name.startswith("train") else "either"


def _labels(random: Random) -> tuple[str, bytes, Outcome]:
    arrays = cells()
    split = random.choice(["train", "val", "test"])
    labels = arrays[f"{split}_labels"].astype(np.int64)
    changes: dict[str, Callable[[], np.ndarray]] = {
        "negative": lambda: labels - 1,
        "of one huge": lambda: np.where(np.arange(len(labels))[:, None] == 3, 2**62, labels),
        "of one NaN": lambda: np.where(np.arange(len(labels))[:, None] == 3, np.nan, labels),
        "fractions": lambda: labels + 0.5,
        "one-hot": lambda: np.eye(3, dtype=np.int64)[labels[:, 0]],
        "all of a class": lambda: labels * 0,
        "with a hole": lambda: labels * 2,
        "infinite": lambda: np.full(labels.shape, np.inf),
    }
    what = random.choice(sorted(changes))
    arrays[f"{split}_labels"] = changes[what]()
    either = what == "all of a class" and split != "train"
    return f"{split} labels {what}", npz(arrays), "either" if either else "refused"


def _members(random: Random) -> tuple[str, bytes, Outcome]:
    """Members missing, doubled, foreign, or with names that lead out."""
    arrays = cells()
    content = io.BytesIO(npz(arrays))
    kind = random.choice(["missing", "doubled", "outside", "foreign", "given", "counts"])
    if kind == "missing":
        name = random.choice(["train_images", "train_labels", "test_images", "test_labels", "val_labels", "val_images"])
        del arrays[name]
        return f"{name} missing", npz(arrays), "refused"
    if kind == "given":
        name = f"train_labels_{texts.text(random)}".replace("\0", "")
        values = random.choice([arrays["train_labels"], np.full(240, -2), np.full(240, np.nan), np.arange(3)])
        with zipfile.ZipFile(content, "a") as archive:
            archive.writestr(f"{name}.npy", npy(values))
        return f"member {name[:40]!r}", content.getvalue(), "either"
    if kind == "counts":
        counts = random.choice([np.full((240, 3), np.nan), np.full((240, 3), -1), np.full((240, 3), 1e30), np.ones(3)])
        arrays["train_counts"] = counts
        return "hostile counts", npz(arrays), "refused"
    with zipfile.ZipFile(content, "a") as archive:
        name = {
            "doubled": "train_labels.npy",
            "outside": random.choice(["../outside/evil.npy", "/tmp/evil.npy", "..\\evil.npy", "C:\\evil.npy"]),
            "foreign": random.choice(["train_images", "train_x.txt", " ", "a\nb.npy", "\x1b[2J.npy"]),
        }[kind]
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the name that is there twice
            archive.writestr(name, random.choice([npy(np.arange(3)), b"", b"text"]))
    return f"a member {kind}", content.getvalue(), "either"


def _headers(random: Random) -> tuple[str, bytes, Outcome]:
    """Headers of .npy members that promise something else."""
    arrays = cells()
    header = random.choice(
        [
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 8, 8), }",
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 8, 8), }",
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (2.5, 8, 8), }",
            b"{'descr': '|O', 'fortran_order': False, 'shape': (240, 8, 8), }",
            b"{'descr': 'x9', 'fortran_order': False, 'shape': (240, 8, 8), }",
            b"__import__('os').system('touch ../outside/header')",
            b"{'descr': __import__('os').system('touch ../outside/header')}",
            b"{",
            b"[" * 110,
            b"{'descr': [('a', '|u1'), ('a', '|u1')], 'fortran_order': False, 'shape': (240,), }",
            b"{'descr': '|u1', 'fortran_order': 3, 'shape': (18446744073709551616,), }",
            random.randbytes(100),
        ]
    )
    broken = npy(arrays["train_images"], header)
    if random.random() < 0.2:
        broken = broken[:6] + bytes([random.randrange(256), random.randrange(256)]) + broken[8:]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", broken if name == "train_images" else npy(array))
    return f"header {header[:40]!r}", content.getvalue(), "refused"


def _names(random: Random) -> tuple[str, bytes, Outcome]:
    arrays = cells()
    names = [texts.text(random) for _ in range(random.choice([3, 3, 3, 2, 0, 4]))]
    arrays["class_names"] = np.array(names) if names else np.array([], dtype="<U1")
    return f"class names {names}"[:80], npz(arrays), "either" if len({*names}) == 3 else "refused"


def _bomb(random: Random) -> tuple[str, bytes, Outcome]:
    """A member of zeros, a thousandth of its size."""
    arrays = cells()
    name = random.choice(["train_images", "train_labels", "train_labels_x", "class_names", "unused"])
    content = io.BytesIO(npz({key: array for key, array in arrays.items() if key != name}))
    size = BOMB if random.random() < 0.3 else BOMB >> 4
    header = npy(np.zeros(0, np.uint8), f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}".encode())
    with (
        zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{name}.npy", "w") as member,
    ):
        member.write(header)
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))
    return f"{name} unpacks to {size >> 20} MiB", content.getvalue(), "either" if name == "unused" else "refused"


def _pickle(random: Random) -> tuple[str, bytes, Outcome]:
    arrays = cells()
    name = random.choice(sorted(arrays))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for key, array in arrays.items():
            archive.writestr(f"{key}.npy", npy(objects() if key == name else array))
    packed = content.getvalue()
    if random.random() < 0.3:
        import pickle

        return "a pickle in place of the file", pickle.dumps(Payload()), "refused"
    return f"{name} of Python objects", packed, "either" if name.startswith("val") else "refused"


# Matrices

SOUND_T = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]


def draw_transition(material: Material, random: Random) -> Case:
    suffix = random.choice(["npy", "csv", "json"])
    what, content, outcome = _matrix(suffix, random)
    name = f"T.{suffix}"
    noise = f"transition:{name}"
    arguments = random.choice(
        [
            ("noise", "show", "-d", "npz:cells.npz", "-n", noise),
            ("run", "-d", "npz:cells.npz", "-m", "forward", "-n", noise, "--dry-run"),
            ("noise", "export", "-d", "npz:cells.npz", "-n", noise, "--out", "out.csv"),
        ]
    )
    return Case("T", f"{suffix}: {what}", arguments, {name: content}, CELLS, outcome, writes=("out.csv",))


def _matrix(suffix: str, random: Random) -> tuple[str, bytes, Outcome]:
    sound = np.array(SOUND_T)
    if random.random() < 0.35:
        what, content = texts.damaged(_written(sound, suffix), random)
        return f"bytes {what}", content, "either"
    if suffix == "npy" and random.random() < 0.3:
        return "of Python objects", npy(objects()), "refused"
    if suffix != "npy" and random.random() < 0.5:
        wild = random.choice(
            [
                ("deep", "[" * 100_000),
                ("of names", '[["a","b"],["c","d"]]'),
                ("an object", '{"a": [1]}'),
                ("NaN", "[[NaN, 1, 0], [0, 1, 0], [0, 0, 1]]"),
                ("huge", f"[[{'9' * 5000}, 0], [0, 1]]"),
                ("a number", "1e999"),
                ("null", "null"),
                ("quoted", '"1","0"\n"0","1"'),
                ("of code", "__import__('os').system('touch ../outside/csv'),0\n0,1"),
                ("formulas", "=1+1,0\n0,1"),
                ("one line", ",".join(["0"] * 100_000)),
                ("complex", "1+2j,0\n0,1"),
            ]
        )
        return wild[0], wild[1].encode(random.choice(["utf-8", "utf-8", "utf-16"])), "refused"
    changes: dict[str, Callable[[], np.ndarray]] = {
        "NaN": lambda: np.where(np.eye(3) > 0, np.nan, sound),
        "infinite": lambda: np.where(np.eye(3) > 0, np.inf, sound),
        "negative": lambda: sound - 0.2,
        "rows that sum to 2": lambda: sound * 2,
        "of other size": lambda: np.eye(random.choice([1, 2, 4, 50])),
        "not square": lambda: sound[:2],
        "one row": lambda: sound[0],
        "empty": lambda: sound[:0],
        "of three axes": lambda: sound[None],
        "huge": lambda: sound * 1e308,
        "of whole numbers": lambda: np.eye(3, dtype=np.int8)[::-1],
        "outvoted": lambda: sound[::-1],
        "complex": lambda: sound + 1j,
        "texts": lambda: sound.astype(str) if suffix == "npy" else np.array([["a"] * 3] * 3),
    }
    what = random.choice(sorted(changes))
    outcome: Outcome = "either" if what in ("of whole numbers", "outvoted", "texts", "of three axes") else "refused"
    return what, _written(changes[what](), suffix), outcome


def _written(matrix: np.ndarray, suffix: str) -> bytes:
    if suffix == "npy":
        return npy(matrix)
    if suffix == "json":
        return json.dumps(matrix.tolist(), default=str).encode()
    return "\n".join(",".join(map(str, np.atleast_1d(row).ravel())) for row in np.atleast_1d(matrix)).encode()
