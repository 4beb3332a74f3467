"""Croissant metadata of published records (MLCommons Croissant 1.0), so that data set tools can read them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.report.publishing.citation import title
from benchmark.store.content import Record
from benchmark.tables import frame

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The vocabulary, as the specification gives it."""
_FORMATS = {".parquet": "application/x-parquet", ".csv": "text/csv"}


def croissant(records: Sequence[Record], files: Mapping[str, bytes], table: str) -> bytes:
    """The metadata of `files`; `table`, one of them, is a CSV whose columns are described."""
    digest = frame.digest(frame.unique(records))
    columns = pd.read_csv(io.BytesIO(files[table]), low_memory=False)
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": title(records).replace(": ", "-").replace(" ", "-"),
        "description": (
            f"{title(records)}. {len(records)} trainings of image classifiers on noisy labels: how each was "
            "configured, its noise and its metrics on clean test labels under every reporting rule. records.parquet "
            "holds the whole records with training curves, in JSON."
        ),
        "license": "https://www.apache.org/licenses/LICENSE-2.0",
        "creator": {"@type": "sc:Organization", "name": "The noisybench developers"},
        "citeAs": f"The noisybench developers. {title(records)}. Records sha256:{digest}.",
        "version": f"0.0.0+{digest[:16]}",
        "distribution": [_file(name, content) for name, content in sorted(files.items())],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "runs",
                "name": "runs",
                "description": "One row per run.",
                "key": {"@id": "runs/id"},
                "field": [_field(name, columns[name], table) for name in columns.columns],
            }
        ],
    }
    return json.dumps(described, indent=1, ensure_ascii=False).encode() + b"\n"


def _file(name: str, content: bytes) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{len(content)} B",
        "encodingFormat": _FORMATS[name[name.rindex(".") :]],
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _field(name: str, column: pd.Series, table: str) -> dict[str, Any]:
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column) and column.notna().any()
    whole = numeric and pd.api.types.is_integer_dtype(column)
    return {
        "@type": "cr:Field",
        "@id": f"runs/{name}",
        "name": f"runs/{name}",
        "description": f"The column {name}.",
        "dataType": "sc:Integer" if whole else "sc:Float" if numeric else "sc:Text",
        "source": {"fileObject": {"@id": table}, "extract": {"column": name}},
    }
