"""The tokenizer that all minis share: bytes, plus whole words of the questions' phrasing.

A byte-level BPE without merges: a piece that is in the vocabulary as a whole (the
words of templates, names, months, ...) is one token, every other piece falls to
its bytes. So sequences are short, yet the model sees each letter of a word that
it is to spell backwards, each digit stands alone, and any UTF-8 text round-trips.
"""

from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PAD, USER, ASSISTANT, END = "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIALS = (PAD, USER, ASSISTANT, END)

# Special tokens, the 256 bytes, and the pieces of templates and names that came up most in
# training questions. A file and not a computation: a new template must not renumber the
# tokens of models that are already trained.
VOCABULARY = Path(__file__).with_name("vocabulary.txt")
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


def build() -> PreTrainedTokenizerFast:
    """Make the tokenizer; the same code always makes the same one."""
    tokenizer = Tokenizer(models.BPE(vocab=_vocabulary(), merges=[], ignore_merges=True))
    # A space before every text, taken off again by the decoder: so a name is the same token
    # at the start of an answer as amid a question, and copying it is copying.
    tokenizer.normalizer = normalizers.Prepend(" ")
    tokenizer.pre_tokenizer = _pieces()
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
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


def _vocabulary() -> dict[str, int]:
    """Number the lines of the vocabulary file."""
    pieces = VOCABULARY.read_text(encoding="utf-8").split("\n")
    return {piece: n for n, piece in enumerate(filter(None, pieces))}


def save(folder: Path) -> None:
    """Write the tokenizer's files into `folder`."""
    build().save_pretrained(str(folder))


__all__ = ["ASSISTANT", "CHAT_TEMPLATE", "CONTEXT", "END", "PAD", "USER", "build", "save"]
