"""Choices gathered from chunks."""

from experts.types import Chunk, Usage
from serving.answer import Gathered, Stamp, add_usage
from serving.forms import ChatForm, CompletionForm, usage_dict


def body(*chunks, form=None):
    gathered = Gathered()
    for chunk in chunks:
        gathered.add(chunk)
    return gathered.body(Stamp(form or ChatForm(), "1", 123, "m"))


def test_texts_are_joined_by_choice():
    answer = body(Chunk("a", 1), Chunk("b", 0), Chunk("c", 1, finish_reason="length"))
    texts = [(c["index"], c["message"]["content"], c["finish_reason"]) for c in answer["choices"]]
    assert texts == [(0, "b", "stop"), (1, "ac", "length")]


def test_tool_calls_grow_by_their_index():
    def call(index, **function):
        return Chunk(delta={"tool_calls": [{"index": index, "function": function}]})

    first = {"index": 0, "id": "a", "type": "function", "function": {"name": "add"}}
    answer = body(
        Chunk(delta={"tool_calls": [first]}),
        call(0, arguments='{"x":'),
        call(1, name="sub", arguments="{}"),
        call(0, arguments="1}"),
        Chunk(finish_reason="tool_calls"),
    )
    message = answer["choices"][0]["message"]
    assert message["content"] is None
    assert [call["function"] for call in message["tool_calls"]] == [
        {"name": "add", "arguments": '{"x":1}'},
        {"name": "sub", "arguments": "{}"},
    ]
    assert message["tool_calls"][0]["id"] == "a"


def test_other_texts_of_a_message_grow_too():
    answer = body(Chunk(delta={"reasoning": "a"}), Chunk("x", delta={"reasoning": "b"}))
    assert answer["choices"][0]["message"]["reasoning"] == "ab"


def test_usage_is_summed_over_prompts():
    assert add_usage(None, Usage(1, 2, {"x": 1})).details == {"x": 1}
    assert add_usage(Usage(1, 2), Usage(3, 4)).total_tokens == 10
    assert body(Chunk("a"))["usage"] is None
    assert usage_dict(Usage(1, 2, {"cached": 3}))["cached"] == 3


def test_the_logprobs_of_a_completion_are_lists_side_by_side():
    entries = [{"token": "ab", "logprob": -1.0}, {"token": "c", "logprob": -2.0}]
    answer = body(Chunk("abc", logprobs=entries), form=CompletionForm())
    assert answer["choices"][0]["logprobs"] == {
        "tokens": ["ab", "c"],
        "token_logprobs": [-1.0, -2.0],
        "top_logprobs": [{}, {}],
        "text_offset": [0, 2],
    }
