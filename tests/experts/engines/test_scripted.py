from __future__ import annotations

from typing import Any

import pytest

from experts.engines.scripted import ScriptedExpert, ScriptedSettings
from experts.errors import ContextTooLong, ExpertFailed
from experts.testing import ask, read, text_of
from experts.types import ExpertInfo


def scripted(**settings: Any) -> ScriptedExpert:
    return ScriptedExpert(ExpertInfo("it"), ScriptedSettings(**settings))


def test_replies_by_list_mapping_and_function(run: Any) -> None:
    async def story() -> None:
        turns = scripted(replies=["one", "two"])
        assert [text_of(await read(turns, ask())) for _ in range(3)] == ["one", "two", "one"]
        table = scripted(replies={"a": "A", "*": "?"})
        assert [text_of(await read(table, ask(t))) for t in ("a", "b")] == ["A", "?"]
        echo = ScriptedExpert(ExpertInfo("it"), reply=lambda request: request.text.upper())
        assert text_of(await read(echo, ask("loud"))) == "LOUD"
        assert echo.requests == [ask("loud")]

    run(story())


def test_choices_take_turns(run: Any) -> None:
    chunks = run(read(scripted(replies=["one", "two"]), ask(n=2)))
    assert [text_of(chunks, i) for i in range(2)] == ["one", "two"]


def test_max_tokens_cuts_words(run: Any) -> None:
    chunks = run(read(scripted(replies="one two three"), ask(max_tokens=2)))
    assert text_of(chunks) == "one two"
    assert chunks[-1].finish_reason == "length"


def test_fails_where_and_as_often_as_told(run: Any) -> None:
    async def story() -> None:
        expert = scripted(replies="a b c", error="ContextTooLong", error_after=2, error_times=1)
        stream = expert.chat(ask())
        assert [(await anext(stream)).text for _ in range(2)] == ["a", " b"]
        with pytest.raises(ContextTooLong):
            await anext(stream)
        assert text_of(await read(expert, ask())) == "a b c"
        assert (expert.calls, expert.finished, expert.active) == (2, 1, 0)

    run(story())


def test_any_exception_can_be_raised(run: Any) -> None:
    expert = ScriptedExpert(ExpertInfo("it"), exception=ExpertFailed("boom"))
    with pytest.raises(ExpertFailed, match="boom"):
        run(read(expert, ask()))
