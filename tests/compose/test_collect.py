"""Collecting outcomes: everything asked once, nothing lost, resumable."""

import asyncio
import json

import pyarrow.parquet as pq
import pytest

from compose.collect import Journal, collect, summarise, write_outcomes
from compose.errors import DataError
from compose.prompts import read_prompts
from experts.engines.scripted import ScriptedExpert, ScriptedSettings
from experts.types import ExpertInfo


def prompts_file(tmp_path, n=6):
    rows = [
        {"id": f"p{i}", "source": "s", "prompt": f"say {i}", "answer": str(i)} for i in range(n)
    ]
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def expert(name, **settings):
    info = ExpertInfo(name, price_in=1.0, price_out=1.0)
    return ScriptedExpert(info, ScriptedSettings(**settings))


def run(tmp_path, experts, path):
    journal = Journal(tmp_path / "out.journal")
    try:
        problems = asyncio.run(collect(read_prompts(path), experts, journal, concurrency=3))
    finally:
        journal.close()
    return journal.results, problems


def test_every_expert_is_asked_every_prompt_and_scored(tmp_path):
    right = {f"say {i}": f" {i}." for i in range(6)}
    experts = {"right": expert("right", replies=right), "wrong": expert("wrong", replies="no")}
    results, problems = run(tmp_path, experts, prompts_file(tmp_path))
    assert problems == []
    assert {(r.expert, r.score) for r in results} == {("right", 1.0), ("wrong", 0.0)}
    assert len(results) == 12
    assert all(
        r.cost == pytest.approx((r.prompt_tokens + r.completion_tokens) / 1e6) for r in results
    )
    out = tmp_path / "out.parquet"
    write_outcomes(results, out)
    table = pq.read_table(out)
    assert table.num_rows == 12
    assert {"id", "source", "prompt", "expert", "response", "score"} <= set(table.column_names)
    assert summarise(results)["right"]["quality"] == 1.0


def test_folders_are_made_and_a_place_that_takes_no_file_is_named(tmp_path):
    Journal(tmp_path / "new" / "folder" / "out.journal").close()
    assert (tmp_path / "new" / "folder" / "out.journal").exists()
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match=r"file/out.journal: .*somewhere else"):
        Journal(tmp_path / "file" / "out.journal")


def test_a_stopped_run_goes_on_without_asking_twice(tmp_path):
    path = prompts_file(tmp_path)
    flaky = expert("e", replies="1", error="ExpertFailed", error_times=4)
    results, problems = run(tmp_path, {"e": flaky}, path)
    assert (len(results), len(problems)) == (2, 4)
    with (tmp_path / "out.journal").open("a") as journal:
        journal.write('{"id": "p5", "sour')  # a kill in the middle of a line
    again = expert("e", replies="1")
    results, problems = run(tmp_path, {"e": again}, path)
    assert problems == []
    assert sorted(r.id for r in results) == [f"p{i}" for i in range(6)]
    assert again.calls == 4


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1: not JSON"),
        ("[1]", "line 1"),
        ('{"prompt": 1, "answer": "x"}', "'prompt'"),
        ('{"prompt": "x"}', "'answer'"),
        ('{"prompt": "x", "answer": "y", "verifier": "magic"}', "magic"),
        ('{"prompt":"x","answer":"y","id":1}\n{"prompt":"x","answer":"y","id":1}', "same id"),
        ("", "no prompts"),
    ],
)
def test_a_bad_prompt_file_is_refused_with_its_line(tmp_path, line, words):
    path = tmp_path / "p.jsonl"
    path.write_text(line)
    with pytest.raises(DataError, match=words):
        read_prompts(path)
