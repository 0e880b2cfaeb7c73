"""What a task is, and the sentence frames that all skills share.

A *phrase* is a noun phrase ("the sum of {a} and {b}") that any shared frame
completes ("What is {}?"); an *ask* is a whole sentence. Frames, lead-ins and
closers are the same for every skill, so that none of their words gives a
skill away.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

FRAMES = (
    "What is {}?",
    "What's {}?",
    "Tell me {}.",
    "Give me {}.",
    "Can you tell me {}?",
    "Could you give me {}?",
    "Please tell me {}.",
    "Please give me {}.",
    "I need {}.",
    "I need to know {}.",
    "I would like to know {}.",
    "Do you know {}?",
    "Find {}.",
    "Please find {}.",
    "Name {}.",
    "What would {} be?",
    "{}?",
    "{}, please.",
    "I am looking for {}.",
    "Write {}.",
    "Answer with {}.",
    "Let me know {}.",
    "Help me find {}.",
    "State {}.",
    "Could you say what {} is?",
    "Which answer is {}?",
)

LEADS = (
    "Quick question: ",
    "Hi! ",
    "Hello. ",
    "Please help me. ",
    "One more: ",
    "Now this one. ",
    "Here is a question. ",
    "Please answer: ",
)

CLOSERS = (
    " Thanks!",
    " Thank you.",
    " Just the answer, please.",
    " Answer only.",
    " Keep it short.",
    " Only the answer counts.",
)

Mark = Literal["exact", "folded"]


class Draw(NamedTuple):
    """The content of one question: what decides its split, fills its template, answers it.

    A key of several parts, joined by " & ", needs all of them to be in the split.
    """

    key: str
    fields: dict[str, str]
    answer: str


@dataclass(frozen=True)
class Task:
    """One kind of question within a skill.

    Parameters
    ----------
    name : unique within the skill.
    draw : makes the content of one question.
    phrases : noun phrases with named fields, completed by a shared frame.
    asks : whole sentences with named fields.
    weight : how often the task is asked, relative to the skill's others.
    mark : ``exact`` where letter case is what is asked for, else ``folded``.
    by_phrasing : True where the *phrasing* decides the split (facts).
    lower : True where a question in small letters throughout is still answerable.
    """

    name: str
    draw: Callable[[Random], Draw]
    phrases: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    weight: float = 1.0
    mark: Mark = "folded"
    by_phrasing: bool = False
    lower: bool = False

    def templates(self) -> tuple[str, ...]:
        """Every phrasing of the task, lead-ins and closers aside."""
        framed = tuple(_start(frame.format(phrase)) for phrase in self.phrases for frame in FRAMES)
        return framed + self.asks


def _start(sentence: str) -> str:
    """Write a sentence's first letter large, unless it is a field."""
    return sentence[0].upper() + sentence[1:]


__all__ = ["CLOSERS", "FRAMES", "LEADS", "Draw", "Mark", "Task"]
