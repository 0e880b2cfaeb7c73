from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experts.engines.replay import ReplayExpert, ReplaySettings
from experts.errors import ConfigError, RequestRejected
from experts.testing import ask, read, text_of
from experts.types import ChatRequest, Chunk, ExpertInfo

ROWS: list[dict[str, Any]] = [
    {"prompt": " two plus two? \n", "expert": "a", "response": "four", "prompt_tokens": 5,
     "completion_tokens": 1, "cost": 0.25, "latency": 2.0, "finish_reason": "length"},
    {"prompt": "two plus two?", "expert": "a", "response": "it is 4", "prompt_tokens": 5,
     "completion_tokens": 3, "cost": 0.5, "latency": 1.0, "finish_reason": None},
    {"prompt": "two plus two?", "expert": "b", "response": "five", "prompt_tokens": None,
     "completion_tokens": None, "cost": None, "latency": None, "finish_reason": None},
]  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recorded.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


def replay(run: Any, path: Path, *requests: ChatRequest, **settings: Any) -> list[list[Chunk]]:
    async def story() -> list[list[Chunk]]:
        settings.setdefault("expert", "a")
        expert = ReplayExpert(ExpertInfo("it"), ReplaySettings(path=path, **settings))
        await expert.start()
        return [await read(expert, request) for request in requests]

    answers: list[list[Chunk]] = run(story())
    return answers


def test_answers_are_given_in_turn(file: Path, run: Any) -> None:
    answers = replay(run, file, *[ask("two plus two?")] * 3)
    assert [text_of(chunks) for chunks in answers] == ["four", "it is 4", "four"]


def test_a_seed_picks_one(file: Path, run: Any) -> None:
    answers = replay(run, file, *[ask("two plus two?", seed=3)] * 2)
    assert [text_of(chunks) for chunks in answers] == ["it is 4"] * 2


def test_choices_are_different_recordings_and_their_costs_add_up(file: Path, run: Any) -> None:
    (chunks,) = replay(run, file, ask("two plus two?", n=2))
    assert [text_of(chunks, i) for i in range(2)] == ["four", "it is 4"]
    assert [c.finish_reason for c in chunks if c.finish_reason] == ["length", "stop"]
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (5, 4)
    assert usage.details == {"cost": 0.75, "latency": 3.0}


def test_counts_are_estimated_where_the_file_has_none(file: Path, run: Any) -> None:
    (chunks,) = replay(run, file, ask("two plus two?"), expert="b")
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (4, 1)
    assert usage.details == {"estimated": True}


def test_whole_answers_for_those_who_do_not_stream(file: Path, run: Any) -> None:
    (chunks,) = replay(run, file, ask("two plus two?", seed=1, stream=False))
    assert [chunk.text for chunk in chunks] == ["it is 4"]


def test_last_user_message_is_the_key(file: Path, run: Any) -> None:
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "two plus two?"},
    ]
    (chunks,) = replay(run, file, ChatRequest(messages=messages))
    assert text_of(chunks) == "four"


def test_unknown_prompts(file: Path, run: Any) -> None:
    with pytest.raises(RequestRejected, match="coterie collect") as caught:
        replay(run, file, ask("three?"))
    assert caught.value.code == "not_recorded"
    (chunks,) = replay(run, file, ask("three?"), on_missing="empty")
    assert text_of(chunks) == ""
    assert chunks[-1].finish_reason == "stop"


def test_only_what_is_needed_is_needed(tmp_path: Path, run: Any) -> None:
    row = {"source": "s", "prompt": "p", "solution": "x", "expert": "a", "response": "r",
           "recorded_answer": "r", "recorded_correct": True}  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "other.parquet")
    (chunks,) = replay(run, tmp_path / "other.parquet", ask("p"))
    assert text_of(chunks) == "r"


def test_mistakes_say_what_is_there(file: Path, tmp_path: Path, run: Any) -> None:
    with pytest.raises(ConfigError, match="a, b"):
        replay(run, file, expert="c")
    with pytest.raises(ConfigError, match="coterie collect"):
        replay(run, tmp_path / "nothing.parquet")
    pq.write_table(pa.table({"prompt": ["p"]}), tmp_path / "short.parquet")
    with pytest.raises(ConfigError, match="response, expert"):
        replay(run, tmp_path / "short.parquet")
