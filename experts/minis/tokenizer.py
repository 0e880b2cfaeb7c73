"""The tokenizer that all minis share: bytes, plus whole words of the questions' phrasing.

A byte-level BPE without merges: a piece that is in the vocabulary as a whole (the
words of templates, names, months, ...) is one token, every other piece falls to
its bytes. So sequences are short, yet the model sees each letter of a word that
it is to spell backwards, each digit stands alone, and any UTF-8 text round-trips.
"""

import re
from collections import Counter
from functools import cache
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from experts.minis import SKILLS
from experts.minis.data import generate
from experts.minis.skills import TASKS
from experts.minis.skills.dates import DAYS, MONTHS, UNITS
from experts.minis.skills.task import CLOSERS, FRAMES, LEADS
from experts.minis.skills.words import ITEMS, JOBS, NAMES

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIALS = (PAD, USER, ASSISTANT, END)

VOCABULARY = 1024
CONTEXT = 512

# A word, a digit or a mark, each with the space before it; other space as it comes.
_PIECE = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\s"

# The minis are trained on single turns, so they are shown the last question only:
# everything before it would be noise to them. Content may be text or a list of parts.
CHAT_TEMPLATE = """\
{%- macro text(content) -%}
{%- if content is string -%}{{ content }}
{%- elif content -%}{%- for part in content -%}{{ part.text if part.text else '' }}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- set last = namespace(user=-1) -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if loop.index0 >= last.user -%}
{%- if message.role == 'assistant' -%}
{{ '<|assistant|>' }}{{ text(message.content) }}{{ '<|end|>' }}
{%- elif loop.index0 == last.user or last.user < 0 -%}
{{ '<|user|>' }}{{ text(message.content) }}
{%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"""


def phrasing_words() -> set[str]:
    """Return the words, in small letters, of which templates and names are made."""
    texts = [*FRAMES, *LEADS, *CLOSERS, *NAMES, *ITEMS, *JOBS, *DAYS, *MONTHS, "yes no am pm"]
    texts += [f"{job}s" for job in JOBS]
    texts += [unit for row in UNITS for unit in row[:2]]
    for tasks in TASKS.values():
        texts += [text for task in tasks for text in (*task.phrases, *task.asks)]
    fields_out = re.sub(r"\{\w*\}", " ", " ".join(texts))
    return {word for word in re.findall(r"[a-z]+", fields_out.casefold()) if len(word) > 1}


def build() -> PreTrainedTokenizerFast:
    """Make the tokenizer; the same code always makes the same one."""
    tokenizer = Tokenizer(models.BPE(vocab=_vocabulary(), merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = _pieces()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def _pieces() -> pre_tokenizers.Sequence:
    """Return the rule that cuts text into pieces, written in the byte alphabet."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECE), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


@cache
def _vocabulary() -> dict[str, int]:
    """Number the special tokens, the bytes, and the most frequent pieces of the phrasing."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    entries = [*SPECIALS, *letters, *_whole_pieces(set(letters))]
    return {piece: n for n, piece in enumerate(entries[:VOCABULARY])}


def _whole_pieces(letters: set[str]) -> list[str]:
    """Return the pieces that phrasing is made of, the most frequent first."""
    words, pieces = phrasing_words(), _pieces()
    counts: Counter[str] = Counter()
    for skill in SKILLS:
        for example in generate(skill, "train", 4000, seed=0):
            for text in (example.prompt, example.answer):
                counts.update(piece for piece, _ in pieces.pre_tokenize_str(text))
    space = "Ġ"  # how the byte alphabet writes a space
    kept = [
        piece
        for piece in counts
        if piece not in letters
        and (piece.removeprefix(space).casefold() in words or len(piece.removeprefix(space)) == 1)
    ]
    return sorted(kept, key=lambda piece: (-counts[piece], piece))


def save(folder: Path) -> None:
    """Write the tokenizer's files into `folder`."""
    build().save_pretrained(str(folder))


__all__ = ["ASSISTANT", "CHAT_TEMPLATE", "CONTEXT", "END", "PAD", "USER", "build", "save"]
