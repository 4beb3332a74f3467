"""Weights files: with code in them, cut off, of other shapes and types."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from functools import cache
from random import Random
from typing import Any

from scripts._hostile import texts
from scripts._hostile.arrays import Payload
from scripts._hostile.case import Case, Outcome
from scripts._hostile.material import CELLS, Material

NETWORK = "timm/test_resnet"
"""A network of a few thousand weights."""
SUFFIXES = ("pth", "pt", "bin", "ckpt", "tar")
LARGE = 1 << 40


def draw(material: Material, random: Random) -> Case:
    suffix = random.choice(["safetensors", *SUFFIXES])
    what, content, outcome = _safetensors(random) if suffix == "safetensors" else _torch(random)
    if random.random() < 0.05:
        suffix, outcome = random.choice(["exe", "txt", "npz", "safetensors.py"]), "refused"
    name = f"w.{suffix}"
    network = f"{NETWORK}:input_size=32,weights={name}"
    arguments = ("run", "-d", "npz:cells.npz", "-b", network, "-m", "ce", "-n", "none", "--epochs", "1", "--dry-run")
    return Case("weights", f"{name}: {what}", arguments, {name: content}, CELLS, outcome, reports=True)


@cache
def sound() -> dict[str, Any]:
    """The weights of NETWORK."""
    import timm

    return dict(timm.create_model(NETWORK.partition("/")[2], in_chans=3, num_classes=3).state_dict())


def _torch(random: Random) -> tuple[str, bytes, Outcome]:
    import numpy as np
    import torch

    kind = random.choice(["bytes", "bytes", "code", "pickle", "types", "shapes", "names", "values", "wild", "archive"])
    content = io.BytesIO()
    state = sound()
    if kind == "bytes":
        torch.save(state, content, _use_new_zipfile_serialization=random.random() < 0.7)
        what, changed = texts.damaged(content.getvalue(), random)
        return f"bytes {what}", changed, "either"
    if kind == "pickle":
        return "a pickle that runs a command", pickle.dumps(Payload(), protocol=random.randrange(6)), "refused"
    if kind == "archive":
        torch.save(state, content)
        with zipfile.ZipFile(content) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        program = next(name for name in parts if name.endswith("data.pkl"))
        parts[program] = random.choice(
            [pickle.dumps(Payload()), b"", b"\x80\x02}q\x00.", b"c__builtin__\neval\n(Vx\ntR."]
        )
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part)
        return "another program in the archive", packed.getvalue(), "refused"
    if kind in ("shapes", "names", "values", "types"):
        changed_state, what, outcome = _changed(state, kind, random)
        torch.save(changed_state, content)
        return what, content.getvalue(), outcome
    made: Any = {
        "code": random.choice([Payload(), {"state_dict": Payload()}, {"net": {"w": Payload()}}, [Payload()]]),
        "wild": random.choice(
            [None, 3, [], {}, {"state_dict": {}}, {"net": {"net": {}}}, torch.zeros(3), "text", {3: torch.ones(1)},
             {"a": np.zeros(3)}, {"": torch.ones(1)}, {"x" * 10_000: torch.ones(1)}]
        ),
    }[kind]  # fmt: skip
    torch.save(made, content)
    return "code in place of tensors" if kind == "code" else f"{str(made)[:30]!r}", content.getvalue(), "refused"


def _changed(state: dict[str, Any], kind: str, random: Random) -> tuple[dict[str, Any], str, Outcome]:
    import torch

    changed = dict(state)
    name = random.choice(sorted(changed))
    # The classifier stays fresh where its classes are others, and counters of batches are not needed.
    loose = name.startswith("fc.") or name.endswith("num_batches_tracked")
    if kind == "shapes":
        changed[name] = random.choice(
            [
                torch.zeros(0),
                torch.zeros(1),
                changed[name].unsqueeze(0),
                torch.zeros(1).expand(1 << 20, 1 << 10)[:5, :1],
            ]
        )
        return changed, f"{name} of shape {list(changed[name].shape)}", "either" if loose else "refused"
    if kind == "names":
        tensor = changed.pop(name)
        if random.random() < 0.7:
            changed[texts.text(random)] = tensor
        return changed, f"{name} under another name", "either" if loose else "refused"
    if kind == "types":
        changed[name] = random.choice(
            [
                changed[name].to(torch.complex64),
                changed[name].bool(),
                changed[name].to(torch.int64),
                changed[name].half(),
                3,
            ]
        )
        return changed, f"{name} as {getattr(changed[name], 'dtype', 'a number')}", "either"
    changed[name] = torch.full_like(changed[name].float(), random.choice([float("nan"), float("inf"), 1e38]))
    return changed, f"{name} of {changed[name].flatten()[0].item()}", "either"


def _safetensors(random: Random) -> tuple[str, bytes, Outcome]:
    from safetensors.torch import save

    content = save({name: tensor.contiguous() for name, tensor in sound().items()})
    if random.random() < 0.4:
        what, changed = texts.damaged(content, random)
        return f"bytes {what}", changed, "either"
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    if random.random() < 0.4:
        changed_state, what, outcome = _changed(sound(), random.choice(["shapes", "names", "values"]), random)
        return what, save({name: tensor.contiguous() for name, tensor in changed_state.items()}), outcome
    name = random.choice(sorted(header))
    what, text = random.choice(
        [
            ("offsets that overlap", {**header, name: {**header[name], "data_offsets": [0, 4]}}),
            ("offsets beyond the end", {**header, name: {**header[name], "data_offsets": [LARGE, LARGE + 4]}}),
            ("a huge shape", {**header, name: {**header[name], "shape": [LARGE, LARGE]}}),
            ("a negative shape", {**header, name: {**header[name], "shape": [-1]}}),
            ("an unknown type", {**header, name: {**header[name], "dtype": "F7"}}),
            ("no tensors", {}),
            ("a list", [1, 2]),
            ("metadata that are no texts", {**header, "__metadata__": {"a": 1}}),
        ]
    )
    encoded = json.dumps(text).encode()
    size = random.choice([len(encoded), len(encoded), 2**63, 0, 10**9])
    return f"{what}, header of {size} bytes", size.to_bytes(8, "little") + encoded + data, "refused"
