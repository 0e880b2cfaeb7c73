"""Outcomes from and to files.

Two layouts, told apart by their columns, as Parquet or as JSON lines:

- **wide**, a row per prompt: ``id, source, prompt, score/<expert>, cost/<expert>,
  latency/<expert>``; ``id``, ``source``, costs and latencies may be left out;
- **long**, a row per answer, as ``coterie collect`` writes it: ``id, source, prompt, expert,
  response, score, prompt_tokens, completion_tokens, cost, latency``.

Rows are numbered from 1 in errors; in JSON lines without blank ones that is the line.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routers.errors import DataError
from routers.types import Floats, Outcomes

__all__ = ["fingerprint", "load_outcomes", "save_outcomes", "select_experts", "take_rows"]

Row = Mapping[str, Any]

_SHOWN = 5


def load_outcomes(path: Path | str, experts: Sequence[str] | None = None) -> Outcomes:
    """Read and check a table of outcomes.

    Parameters
    ----------
    path : a ``.parquet`` or ``.jsonl`` file
    experts : keep only these, in this order; None keeps all in the order of the file

    Raises
    ------
    DataError : the file is missing, unreadable, empty or of neither layout; a quality lies outside
        of [0, 1] or is no number; an id comes twice; an expert is not there
    """
    path = Path(path)
    rows = _read(path)
    if not rows:
        raise DataError(f"{path}: no rows")
    columns = _columns(rows)
    if "prompt" not in columns:
        raise DataError(f"{path}: no column 'prompt' (columns: {_some(columns)})")
    if any(name.startswith("score/") for name in columns):
        outcomes = _from_wide(path, rows, columns)
    elif {"expert", "score"} <= set(columns):
        outcomes = _from_long(path, rows)
    else:
        raise DataError(
            f"{path}: neither a column 'score/<expert>' nor the columns 'expert' and 'score'"
        )
    if np.isnan(outcomes.quality).all():
        raise DataError(f"{path}: no row has a score: grade the answers first")
    return outcomes if experts is None else select_experts(outcomes, experts)


def save_outcomes(outcomes: Outcomes, path: Path | str) -> None:
    """Write the wide layout, whole or not at all, as Parquet or (``.jsonl``) as JSON lines."""
    path = Path(path)
    columns: dict[str, list[Any]] = {
        "id": list(outcomes.ids),
        "source": list(outcomes.sources),
        "prompt": list(outcomes.prompts),
    }
    tables = (("score", outcomes.quality), ("cost", outcomes.cost), ("latency", outcomes.latency))
    for kind, table in tables:
        for at, expert in enumerate(outcomes.experts):
            column = table[:, at].astype(float).tolist()
            if kind == "score" or not all(math.isnan(value) for value in column):
                columns[f"{kind}/{expert}"] = [None if math.isnan(v) else v for v in column]
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        _write(columns, Path(aside), lines=path.suffix in {".jsonl", ".ndjson"})
        os.replace(aside, path)
    finally:
        Path(aside).unlink(missing_ok=True)


def select_experts(outcomes: Outcomes, experts: Sequence[str]) -> Outcomes:
    """The columns of these experts, in this order."""
    missing = [name for name in experts if name not in outcomes.experts]
    if missing:
        raise DataError(
            f"no outcomes of {_some(missing)} (there are some of: {_some(outcomes.experts)})"
        )
    at = [outcomes.experts.index(name) for name in experts]
    return Outcomes(
        experts=tuple(experts),
        ids=outcomes.ids,
        sources=outcomes.sources,
        prompts=outcomes.prompts,
        quality=outcomes.quality[:, at],
        cost=outcomes.cost[:, at],
        latency=outcomes.latency[:, at],
    )


def take_rows(outcomes: Outcomes, rows: NDArray[np.intp]) -> Outcomes:
    """These rows, in this order."""
    return Outcomes(
        experts=outcomes.experts,
        ids=tuple(outcomes.ids[row] for row in rows),
        sources=tuple(outcomes.sources[row] for row in rows),
        prompts=tuple(outcomes.prompts[row] for row in rows),
        quality=outcomes.quality[rows],
        cost=outcomes.cost[rows],
        latency=outcomes.latency[rows],
    )


def fingerprint(outcomes: Outcomes) -> str:
    """A hash of experts, prompts and qualities: what a router was trained on."""
    names = json.dumps([outcomes.experts, outcomes.ids, outcomes.sources, outcomes.prompts])
    digest = hashlib.blake2b(names.encode(), digest_size=16)
    digest.update(np.ascontiguousarray(outcomes.quality, dtype="<f4").tobytes())
    return digest.hexdigest()


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        if path.suffix == ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            try:
                return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]
            except pa.ArrowException as exc:
                raise DataError(f"{path}: not a readable Parquet file: {exc}") from exc
        if path.suffix in {".jsonl", ".ndjson"}:
            with path.open(encoding="utf-8") as lines:
                return list(_parse_lines(path, lines))
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"{path}: cannot be read: {exc}") from exc
    raise DataError(f"{path}: outcomes are read from .parquet and .jsonl files")


def _parse_lines(path: Path, lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except ValueError as exc:
            raise DataError(f"{path}: line {number} is not JSON: {exc}") from exc
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number} is not a JSON object")
        yield row


def _write(columns: dict[str, list[Any]], path: Path, lines: bool) -> None:
    if lines:
        names = list(columns)
        with path.open("w", encoding="utf-8") as out:
            for values in zip(*columns.values(), strict=True):
                out.write(json.dumps(dict(zip(names, values, strict=True))) + "\n")
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path)


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _from_wide(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> Outcomes:
    experts = tuple(name[6:] for name in columns if name.startswith("score/"))
    ids = [_text(row, "id") or str(at) for at, row in enumerate(rows, start=1)]
    first: dict[str, int] = {}
    for at, name in enumerate(ids, start=1):
        if first.setdefault(name, at) != at:
            raise DataError(f"{path}: rows {first[name]} and {at} have the same id {name!r}")

    def table(kind: str, **limits: float) -> Floats:
        names = [f"{kind}/{expert}" for expert in experts]
        return _column_table(path, rows, names, **limits)

    return Outcomes(
        experts=experts,
        ids=tuple(ids),
        sources=tuple(_text(row, "source") for row in rows),
        prompts=_prompts(path, rows),
        quality=table("score", high=1.0),
        cost=table("cost"),
        latency=table("latency"),
    )


def _from_long(path: Path, rows: Sequence[Row]) -> Outcomes:
    prompts = _prompts(path, rows)
    names = [_text(row, "expert") for row in rows]
    nameless = [at for at, name in enumerate(names, start=1) if not name]
    if nameless:
        raise DataError(f"{path}: no expert in rows {_some(nameless)}")
    values = _column_table(path, rows, ["score"], high=1.0)
    spent = _column_table(path, rows, ["cost", "latency"])
    experts = tuple(dict.fromkeys(names))
    column = {name: at for at, name in enumerate(experts)}
    keys = [(_text(row, "id"), prompt) for row, prompt in zip(rows, prompts, strict=True)]
    line = {key: at for at, key in enumerate(dict.fromkeys(keys))}
    cells = np.full((3, len(line), len(experts)), np.nan, dtype=np.float32)
    seen: dict[tuple[int, int], int] = {}
    first: dict[int, int] = {}
    for at, key in enumerate(keys):
        cell = line[key], column[names[at]]
        if seen.setdefault(cell, at) != at:
            raise DataError(
                f"{path}: rows {seen[cell] + 1} and {at + 1} are both the answer of {names[at]} "
                f"to {(key[0] or key[1])[:80]!r}"
            )
        first.setdefault(line[key], at)
        cells[:, *cell] = values[at, 0], *spent[at]
    starts = list(first.values())
    return Outcomes(
        experts=experts,
        ids=_unique([_text(rows[at], "id") or str(at + 1) for at in starts]),
        sources=tuple(_text(rows[at], "source") for at in starts),
        prompts=tuple(prompts[at] for at in starts),
        quality=cells[0],
        cost=cells[1],
        latency=cells[2],
    )


def _unique(ids: Sequence[str]) -> tuple[str, ...]:
    """Two prompts may come with one id (of two sources, or edited in between): number them."""
    taken: dict[str, int] = {}
    result = []
    for name in ids:
        taken[name] = taken.get(name, 0) + 1
        result.append(name if taken[name] == 1 else f"{name}#{taken[name]}")
    return tuple(result)


def _column_table(
    path: Path, rows: Sequence[Row], names: Sequence[str], high: float = math.inf
) -> Floats:
    """Columns as float32 [n_rows, n_names]; absent, null and NaN cells are NaN."""
    table = np.full((len(rows), len(names)), np.nan, dtype=np.float32)
    for at, name in enumerate(names):
        wrong = []
        for number, row in enumerate(rows):
            value = row.get(name)
            if value is None:
                continue
            if not isinstance(value, int | float) or not (
                math.isnan(value) or (0.0 <= value <= high and math.isfinite(value))
            ):
                wrong.append(number + 1)
                continue
            table[number, at] = value
        if wrong:
            wanted = "a number in [0, 1]" if high == 1.0 else "a number >= 0"
            raise DataError(f"{path}: {name} is not {wanted} in rows {_some(wrong)}")
    return table


def _prompts(path: Path, rows: Sequence[Row]) -> tuple[str, ...]:
    wrong = [at for at, row in enumerate(rows, start=1) if not isinstance(row.get("prompt"), str)]
    if wrong:
        raise DataError(f"{path}: prompt is not a text in rows {_some(wrong)}")
    return tuple(row["prompt"] for row in rows)


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def _some(values: Sequence[object]) -> str:
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    more = len(values) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
