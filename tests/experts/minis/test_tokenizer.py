"""Any text round-trips, and training writes examples as the chat template does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from experts.minis import NAMES, SKILLS, models_dir
from experts.minis.batches import batches
from experts.minis.data import generate
from experts.minis.skills.words import COMMON
from experts.minis.tokenizer import SPECIALS, build

TOKENIZER = build()


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_round_trips(text: str) -> None:
    if any(special in text for special in SPECIALS):
        return
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


def test_digits_and_unknown_words_are_split() -> None:
    shown = " ".join(TOKENIZER.tokenize("what is 4821 and Zorblat"))
    assert shown == "Ġwhat Ġis Ġ4 8 2 1 Ġand Ġ Z o r b l a t"


def test_words_to_play_with_are_no_tokens() -> None:
    vocabulary = TOKENIZER.get_vocab()
    assert not [word for word in COMMON if word in vocabulary or f"Ġ{word}" in vocabulary]


def test_training_writes_what_the_chat_template_writes() -> None:
    batch = next(batches("text", TOKENIZER, rows=2, start=0, seed=1))
    written = {tuple(row[row != 0].tolist()) for row in batch.ids}
    templated = set()
    for example in generate("text", "train", 128, 100_003):
        chat = [
            {"role": "user", "content": example.prompt},
            {"role": "assistant", "content": example.answer},
        ]
        templated.add(tuple(TOKENIZER.apply_chat_template(chat, return_dict=False)))
    assert written <= templated


def test_a_name_is_one_token_wherever_it_stands() -> None:
    asked = TOKENIZER("<|user|>Ann and Tom<|assistant|>Tom<|end|>")["input_ids"]
    assert asked[3] == asked[5]


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        ([("user", "a")], "<|user|>a<|assistant|>"),
        ([("system", "s"), ("user", "a")], "<|user|>a<|assistant|>"),
        ([("user", "a"), ("assistant", "b"), ("user", "c")], "<|user|>c<|assistant|>"),
        ([("user", [{"type": "text", "text": "a"}])], "<|user|>a<|assistant|>"),
        ([("system", "s")], "<|user|>s<|assistant|>"),
    ],
)
def test_the_chat_template_shows_the_last_question(messages, shown) -> None:  # type: ignore[no-untyped-def]
    chat = [{"role": role, "content": content} for role, content in messages]
    text = TOKENIZER.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == shown


@pytest.mark.parametrize("name", NAMES)
def test_the_folders_carry_this_tokenizer(name: str) -> None:
    saved: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(models_dir() / name)
    assert saved.get_vocab() == TOKENIZER.get_vocab()
    assert saved.chat_template == TOKENIZER.chat_template
    for skill in SKILLS:
        for example in generate(skill, "validation", 20, 1):
            assert saved(example.prompt)["input_ids"] == TOKENIZER(example.prompt)["input_ids"]
