from __future__ import annotations

import json

import numpy as np
import pytest

from routers.errors import DataError
from routers.training.dataset import (
    fingerprint,
    load_outcomes,
    save_outcomes,
    select_experts,
    take_rows,
)


@pytest.fixture
def write(tmp_path):
    def lines(*rows):
        path = tmp_path / "outcomes.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return lines


def wide(**changes):
    row = {"id": "1", "source": "s", "prompt": "p", "score/a": 1.0, "score/b": 0.5, "cost/a": 0.1}
    return {**row, **changes}


def long(**changes):
    row = {"id": "1", "source": "s", "prompt": "p", "expert": "a", "response": "r", "score": 1.0}
    return {**row, "cost": 0.1, "latency": 2.0, "prompt_tokens": 3, **changes}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_saved_and_loaded_is_the_same(make_outcomes, tmp_path, suffix):
    outcomes = make_outcomes()
    outcomes.quality[0, 0] = np.nan
    path = tmp_path / f"o.{suffix}"
    for _ in range(2):
        save_outcomes(outcomes, path)
    loaded = load_outcomes(path)
    assert (loaded.experts, loaded.ids) == (outcomes.experts, outcomes.ids)
    assert (loaded.sources, loaded.prompts) == (outcomes.sources, outcomes.prompts)
    np.testing.assert_array_equal(loaded.quality, outcomes.quality)
    np.testing.assert_array_equal(loaded.cost, outcomes.cost)
    np.testing.assert_array_equal(loaded.latency, outcomes.latency)
    assert fingerprint(loaded) == fingerprint(outcomes)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_fingerprint_tells_tables_apart(make_outcomes):
    outcomes = make_outcomes()
    changed = make_outcomes()
    changed.quality[3, 1] = 1 - changed.quality[3, 1]
    hashes = {fingerprint(each) for each in (outcomes, changed, take_rows(outcomes, np.arange(9)))}
    assert len(hashes) == 3


def test_wide(write):
    outcomes = load_outcomes(
        write(wide(), wide(id=2, **{"score/a": None, "score/b": float("nan"), "score/c": True}))
    )
    assert outcomes.experts == ("a", "b", "c")
    assert outcomes.ids == ("1", "2")
    np.testing.assert_array_equal(outcomes.quality, [[1, 0.5, np.nan], [np.nan, np.nan, 1]])
    np.testing.assert_allclose(outcomes.cost[:, 0], [0.1, 0.1])
    assert np.isnan(outcomes.latency).all()


def test_wide_needs_only_prompts_and_scores(write):
    outcomes = load_outcomes(write({"prompt": "x", "score/a": 1}, {"prompt": "x", "score/a": 0}))
    assert outcomes.ids == ("1", "2")
    assert outcomes.sources == ("", "")


def test_blank_lines_are_no_rows(write):
    path = write(wide(), wide(id="2"))
    path.write_text(path.read_text().replace("\n", "\n\n"))
    assert len(load_outcomes(path)) == 2


def test_long_is_pivoted(write):
    outcomes = load_outcomes(
        write(
            long(),
            long(id="2", prompt="q", score=None),
            long(id="2", prompt="q", expert="b", score=0.25, cost=None),
        )
    )
    assert outcomes.experts == ("a", "b")
    assert outcomes.prompts == ("p", "q")
    np.testing.assert_array_equal(outcomes.quality, [[1, np.nan], [np.nan, 0.25]])
    np.testing.assert_allclose(outcomes.cost, [[0.1, np.nan], [0.1, np.nan]])
    np.testing.assert_array_equal(outcomes.latency, [[2, np.nan], [2, 2]])


def test_one_id_for_two_prompts(write):
    outcomes = load_outcomes(write(long(), long(prompt="q"), long(prompt="q", expert="b")))
    assert (outcomes.ids, outcomes.prompts) == (("1", "1#2"), ("p", "q"))
    np.testing.assert_array_equal(outcomes.quality, [[1, np.nan], [1, 1]])


def test_chosen_experts_in_the_order_asked(write):
    outcomes = load_outcomes(write(wide()), experts=["b", "a"])
    assert outcomes.quality.tolist() == [[0.5, 1.0]]
    with pytest.raises(DataError, match=r"no outcomes of zed \(there are some of: b, a\)"):
        select_experts(outcomes, ["zed", "a"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        ([{"id": 1}], r"no column 'prompt' \(columns: id\)"),
        ([{"prompt": "p"}], "neither a column 'score/<expert>' nor"),
        ([wide(), wide(id="2", **{"score/a": 1.5})], r"score/a is not .* in \[0, 1\] in rows 2$"),
        ([wide(**{"score/a": -0.1})], "rows 1"),
        ([wide(**{"score/a": "good"})], "score/a is not a number"),
        ([wide(**{"cost/a": -1})], "cost/a is not a number >= 0 in rows 1"),
        ([wide(**{"cost/a": float("inf")})], "cost/a is not a number"),
        ([wide(), wide()], "rows 1 and 2 have the same id '1'"),
        ([wide(prompt=None)], "prompt is not a text in rows 1"),
        ([wide(**{"score/a": None, "score/b": None})], "grade the answers first"),
        ([wide(id=str(n), prompt=3) for n in range(9)], "rows 1, 2, 3, 4, 5 and 4 more"),
        ([long(), long()], "rows 1 and 2 are both the answer of a to '1'"),
        ([long(expert="")], "no expert in rows 1"),
        ([long(score=2)], "score is not"),
    ],
)
def test_refused(write, rows, message):
    with pytest.raises(DataError, match=message):
        load_outcomes(write(*rows))


def test_files_that_are_no_table(tmp_path):
    for name, content, message in (
        ("a.jsonl", "{}\nnope\n", "line 2 is not JSON"),
        ("b.jsonl", "[1]\n", "line 1 is not a JSON object"),
        ("c.parquet", "PAR1", "not a readable Parquet file"),
        ("d.csv", "x", r"read from \.parquet and \.jsonl"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(DataError, match=message):
            load_outcomes(tmp_path / name)
    (tmp_path / "e.jsonl").write_bytes(b"\xff\xfe{}")
    for name in ("e.jsonl", "missing.parquet", "missing.jsonl"):
        with pytest.raises(DataError, match="cannot be read"):
            load_outcomes(tmp_path / name)
