"""Texts, values and damages that inputs of every family share."""

from __future__ import annotations

from random import Random
from typing import Any

TEXTS = (
    *("", " ", ",", "=", ":", "[", "]", "{", "}", "'", '"', "a,b", "[1,2", "{a=1}", "a=b=c", "=,=", "\\", "-", "--"),
    *("nan", "inf", "-inf", "1e999", "-1", "0", "1.5", "99999999999999999999999", "0x10", "1_000", "\uff11\uff12"),
    *("true", "null", "None", "[[[[", "]]]]", "%s%n%x", "{0.__class__}", "${HOME}", "~", "~nobody/x", "*", "?"),
    *("$(touch ../outside/shell)", "`touch ../outside/shell`", "; touch ../outside/shell", "| touch ../outside/shell"),
    *("../outside/canary.txt", "../../outside", "/", "/etc/passwd", "/dev/null", ".", "..", "CON", "a/../../b"),
    *("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "a\rb", "a\nb", "a\tb", "\u202egnp.exe", "\u2066x", "\x7f", "\x9b1m"),
    *("\U0001f4a5", "e\u0301", "\ufeff", "\u0000".encode("unicode_escape").decode(), "\ud7ff", "\uffff"),
    *(
        "<script>alert(1)</script>",
        "'><img src=x onerror=alert(1)>",
        "&lt;",
        "</table>",
        "\\input{/etc/passwd}",
        "$x_{",
    ),
    *("=cmd|' /C calc'!A0", "@SUM(1)", "+1", "x" * 300, "x" * 5000, "../" * 200, "a/" * 100, "[" * 3000, "'" * 999),
)
"""Of every kind that a shell, a path, a format string, a terminal, a page, a spreadsheet or a parser may take for
something else."""
NUMBERS: tuple[Any, ...] = (
    *(float("nan"), float("inf"), float("-inf"), -1, 0, 10**30, -(10**30), 2**63, 2**64, 1e308, 1e-320, -0.0, 0.5),
)


def text(random: Random) -> str:
    """One of TEXTS, or a string of arbitrary characters. Never holds a zero byte or half of a surrogate pair."""
    if random.random() < 0.8:
        return random.choice(TEXTS)
    pool = [*range(1, 0x180), 0x202E, 0x2028, 0xFEFF, 0xFFFD, 0x1F4A5, 0xE0041]
    return "".join(chr(random.choice(pool)) for _ in range(random.randint(1, 30)))


def damaged(content: bytes, random: Random) -> tuple[str, bytes]:
    """What was done to `content`, and what it became."""
    kind = random.choice(
        ["cut", "flipped", "overwritten", "doubled", "inserted", "removed", "empty", "zeros", "foreign"]
    )
    at, size = random.randrange(max(1, len(content))), random.randint(1, 64)
    if kind == "flipped":
        changed = bytearray(content or b"\0")
        for _ in range(random.choice([1, 1, 8])):
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
        return kind, bytes(changed)
    return kind, {
        "cut": content[:at],
        "overwritten": content[:at] + random.randbytes(size) + content[at + size :],
        "doubled": content + content,
        "inserted": content[:at] + random.randbytes(size) + content[at:],
        "removed": content[:at] + content[at + size :],
        "empty": b"",
        "zeros": bytes(len(content)),
        "foreign": random.choice([b"GIF89a", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"{}", b"\x80\x04N."]),
    }[kind]
