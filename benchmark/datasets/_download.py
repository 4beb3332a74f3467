"""Downloads files and checks their MD5. A download that fails leaves no file behind."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from benchmark.datasets.base import DataError, Progress
from benchmark.store.tree import readable

CHUNK = 1 << 20
TIMEOUT = 30.0


def md5(path: Path) -> str:
    """Hexadecimal MD5 of a file's bytes. Raises ReadError."""
    with readable(), path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def download(url: str, target: Path, expected_md5: str, progress: Progress | None = None) -> None:
    """Downloads `url` to a temporary file beside `target`, which gets its name once its MD5 matches.

    Raises DataError, which says how to download the file by hand."""
    by_hand = f"; to do it by hand, download {url} (md5 {expected_md5}) on any machine and put it at {target}"
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        partial = Path(name)
        hasher = hashlib.md5(usedforsecurity=False)
        request = urllib.request.Request(url, headers={"User-Agent": "noisybench"})
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            received = 0
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                hasher.update(chunk)
                received += len(chunk)
                if progress:
                    progress(f"download {target.name}", received, total)
            file.flush()
            os.fsync(file.fileno())
        if total and received < total:
            raise DataError(
                f"download of {target.name} was cut off after {received:,} of {total:,} bytes: try again{by_hand}"
            )
        if hasher.hexdigest() != expected_md5:
            raise DataError(
                f"download of {target.name} has md5 {hasher.hexdigest()}, expected {expected_md5}: try again{by_hand}"
            )
        partial.chmod(0o644)
        partial.replace(target)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, DataError):
            raise
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        reason = getattr(error, "reason", None) or error
        raise DataError(f"cannot download {target.name} ({reason}){by_hand}") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
