"""Image files and archives of them."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from functools import cache
from random import Random

import numpy as np
from PIL import Image

from scripts._hostile import texts
from scripts._hostile.case import Case, Outcome
from scripts._hostile.material import IMAGES, RESULTS, Material, cells, png

FORMATS = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "bmp": "BMP", "gif": "GIF", "webp": "WEBP"}
SUFFIXES = (*FORMATS, "dcm", "jpeg", "tiff")
FOLDER = "folder:images,size=8"


def draw_images(material: Material, random: Random) -> Case:
    suffix, (what, content, outcome) = random.choice(SUFFIXES), _image(random)
    name = f"images/one/bad.{suffix}"
    if random.random() < 0.25:
        run = random.choice([file for file in material.files(RESULTS) if file.endswith(".safetensors")])
        typed = ("predict", run.rpartition("/")[2].partition(".")[0], "images", "--out", "out.csv")
        # Images that cannot be read are left out of the table of predictions, each with its reason.
        return Case("images", f"{what} as {suffix}", typed, {name: content}, RESULTS, writes=("out.csv",), reports=True)
    target = FOLDER + (",skip_corrupt=true" if random.random() < 0.2 else "")
    outcome = "either" if "skip" in target else outcome
    arguments = random.choice(
        [
            ("data", "info", target),
            ("data", "verify", target),
            ("run", "-d", target, "-m", "ce", "-n", "none", "--epochs", "1", "--dry-run"),
        ]
    )
    return Case("images", f"{what} as {suffix}", arguments, {name: content}, IMAGES, outcome, reports=True)


def _image(random: Random) -> tuple[str, bytes, Outcome]:
    pixels = cells()["train_images"][0]
    kind = random.choice(
        ["bytes", "bytes", "bytes", "bomb", "none", "sizes", "modes", "chunks", "frames", "dicom", "empty", "text"]
    )
    if kind == "bytes":
        content = io.BytesIO()
        name = random.choice(sorted(FORMATS))
        Image.fromarray(np.repeat(pixels, 4, 0).repeat(4, 1)).save(content, FORMATS[name])
        what, changed = texts.damaged(content.getvalue(), random)
        return f"{name}, bytes {what}", changed, "either"
    if kind == "bomb":
        width, height = random.choice([(60_000, 60_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1), (20_000, 20_000)])
        return f"PNG of {width}x{height}", _png(width, height, _zeros(1)), "refused"
    if kind == "none":
        width, height = random.choice([(0, 0), (0, 8), (8, 0)])
        return f"PNG of {width}x{height}", _png(width, height, zlib.compress(b"")), "refused"
    if kind == "sizes":
        shape = random.choice([(1, 1), (1, 4000), (4000, 1), (3, 5)])
        return f"PNG of {shape}", png(np.zeros(shape, np.uint8)), "either"
    if kind == "modes":
        content = io.BytesIO()
        mode, form = random.choice(
            [("I;16", "PNG"), ("I", "TIFF"), ("F", "TIFF"), ("1", "PNG"), ("P", "GIF"), ("RGBA", "PNG"), ("LA", "PNG"),
             ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("LAB", "TIFF")]
        )  # fmt: skip
        image = Image.fromarray(np.full((8, 8), np.nan, np.float32)) if mode == "F" else Image.new(mode, (8, 8))
        image.save(content, form)
        return f"{form} of mode {mode}", content.getvalue(), "either"
    if kind == "chunks":
        added = random.choice(
            [
                _chunk(b"iTXt", b"a\0\1\0\0\0" + _zeros(80)),
                _chunk(b"iCCP", b"x\0\0" + _zeros(80)),
                _chunk(b"zTXt", b"k\0\0" + random.randbytes(30)),
                _chunk(b"PLTE", b"\0"),
                _chunk(b"eXIf", b"MM\0*\0\0\0\x08" + b"\xff" * 30),
                b"\xff\xff\xff\xffIDAT",
                _chunk(b"IHDR", b""),
            ]
        )
        sound = png(pixels)
        return f"PNG with a chunk {added[4:8]!r}", sound[:33] + added + sound[33:], "either"
    if kind == "frames":
        content = io.BytesIO()
        image = Image.fromarray(pixels)
        form = random.choice(["GIF", "TIFF", "WEBP"])
        image.save(
            content,
            form,
            save_all=True,
            append_images=[Image.new("L", (8, 8 if form == "WEBP" else k + 1), k) for k in range(20)],
        )
        return f"{form} of 21 pictures", content.getvalue(), "either"
    if kind == "dicom":
        body = random.choice(
            [b"", random.randbytes(200), b"\x02\0\0\0UL\4\0\xff\xff\xff\xff", b"\x28\0\x10\0US\2\0\0\0" * 9]
        )
        return "DICOM without a picture", bytes(128) + b"DICM" + body, "refused"
    if kind == "empty":
        return "no byte", b"", "refused"
    wild = random.choice(
        [b"<svg onload='x'/>", b"%!PS\n(x) run", b"%PDF-1.7", b"#!/bin/sh\ntouch ../outside/x", b"II*\0" + b"\xff" * 60]
    )
    return f"{wild[:12]!r}", wild, "refused"


@cache
def _zeros(mib: int) -> bytes:
    """Deflated."""
    return zlib.compress(bytes(mib << 20), 1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


# Archives


def draw_archives(material: Material, random: Random) -> Case:
    what, content, outcome = _archive(material.content(f"{IMAGES}/images.zip"), random)
    target = "folder:images.zip,size=8" + (",skip_corrupt=true" if random.random() < 0.2 else "")
    arguments = random.choice(
        [
            ("data", "info", target),
            ("data", "info", "table:table.csv,root=images.zip,file=file,label=diagnosis,size=8"),
            ("data", "preview", target, "--out", "out.png"),
        ]
    )
    return Case("archives", what, arguments, {"images.zip": content}, IMAGES, outcome, ("out.png",), reports=True)


def _archive(sound: bytes, random: Random) -> tuple[str, bytes, Outcome]:
    if random.random() < 0.25:
        what, content = texts.damaged(sound, random)
        return f"bytes {what}", content, "either"
    changing = io.BytesIO(sound)
    image = png(np.zeros((8, 8), np.uint8))
    outside = [
        "../outside/evil.png",
        "/tmp/evil.png",
        "one/../../outside/evil.png",
        "..\\outside\\evil.png",
        "C:\\evil.png",
    ]
    kind = random.choice(
        ["outside", "outside", "link", "doubled", "names", "bomb", "nested", "many", "encrypted", "device"]
    )
    with zipfile.ZipFile(changing, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        outcome: Outcome = "either"
        if kind == "outside":
            what = random.choice(outside)
            archive.writestr(what, image)
            outcome = "refused"
        elif kind in ("link", "device"):
            member = zipfile.ZipInfo("one/link.png")
            member.external_attr = (stat.S_IFLNK if kind == "link" else stat.S_IFCHR) << 16 | 0o777 << 16
            archive.writestr(member, "../../outside/canary.txt")
            what = f"a {kind}"
        elif kind == "doubled":
            what, outcome = "a member twice", "refused"
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the name that is there twice
                archive.writestr("one/001.png", image)
        elif kind == "names":
            what = texts.text(random)[:200].replace("\0", "")
            archive.writestr(f"{what}/x.png", image)
        elif kind == "bomb":
            size = random.choice([100 << 20, 1200 << 20])
            with archive.open("one/bomb.png", "w", force_zip64=True) as bomb:
                for _ in range(size >> 20):
                    bomb.write(bytes(1 << 20))
            what, outcome = f"a member of {size >> 20} MiB", "refused"
        elif kind == "nested":
            archive.writestr("one/inner.zip", sound)
            archive.writestr("a/" * 200 + "x.png", image)
            what = "an archive in the archive, and deep folders"
        elif kind == "many":
            for number in range(5000):
                archive.writestr(f"one/{number}.txt", b"")
            what = "5,000 empty members"
        else:
            what = "encrypted"
    changed = bytearray(changing.getvalue())
    if kind == "encrypted":
        at = changed.index(b"PK\x01\x02")
        changed[at + 8] |= 1
        outcome = "refused"
    skipped = kind == "bomb"
    return f"{kind}: {what}"[:80], bytes(changed), "either" if skipped else outcome
