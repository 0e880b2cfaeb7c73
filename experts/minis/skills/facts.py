"""Facts: capitals, continents, currencies, languages, elements, animals, opposites.

A fact that was never shown cannot be known, so here the *phrasing* decides the
split: every fact is in every split, but no template is in two.
"""

from collections.abc import Callable
from random import Random

from experts.minis.skills.knowledge import (
    ATOMIC_NUMBERS,
    CAPITALS,
    CONTINENTS,
    CURRENCIES,
    LANGUAGES,
    OPPOSITES,
    SOUNDS,
    SYMBOLS,
    YOUNG,
)
from experts.minis.skills.task import Draw, Mark, Task


def _of_table(table: dict[str, str]) -> Callable[[Random], Draw]:
    entries = tuple(table.items())

    def draw(rng: Random) -> Draw:
        subject, answer = rng.choice(entries)
        return Draw(subject, {"x": subject}, answer)

    return draw


def _swap(table: dict[str, str]) -> dict[str, str]:
    return {value: key for key, value in table.items()}


def _relation(
    name: str,
    table: dict[str, str],
    phrases: tuple[str, ...],
    asks: tuple[str, ...] = (),
    weight: float = 1.0,
    mark: Mark = "folded",
    lower: bool = True,
) -> Task:
    return Task(name, _of_table(table), phrases, asks, weight, mark, True, lower)


TASKS = (
    _relation(
        "capital",
        CAPITALS,
        (
            "the capital of {x}",
            "the capital city of {x}",
            "{x}'s capital",
            "the city from which {x} is governed",
            "the seat of government of {x}",
        ),
        ("Which city is the capital of {x}?", "From which city is {x} governed?"),
        weight=2.0,
    ),
    _relation(
        "country",
        _swap(CAPITALS),
        (
            "the country whose capital is {x}",
            "the country that is governed from {x}",
            "the country with {x} as its capital city",
        ),
        ("{x} is the capital of which country?", "Which country has {x} as its capital?"),
        weight=1.6,
    ),
    _relation(
        "continent",
        CONTINENTS,
        (
            "the continent of {x}",
            "the continent that {x} belongs to",
            "the part of the world where {x} lies",
            "the continent on which one finds {x}",
        ),
        ("On which continent is {x}?", "In which part of the world is {x}?"),
        weight=1.2,
    ),
    _relation(
        "currency",
        CURRENCIES,
        (
            "the currency of {x}",
            "the money used in {x}",
            "{x}'s currency",
            "the name of the money in {x}",
        ),
        ("What do people pay with in {x}?", "Which currency does {x} use?"),
    ),
    _relation(
        "language",
        LANGUAGES,
        (
            "the language of {x}",
            "the main language spoken in {x}",
            "the official language in {x}",
        ),
        ("Which language do people speak in {x}?", "What is spoken in {x}?"),
        weight=0.8,
    ),
    _relation(
        "symbol",
        SYMBOLS,
        (
            "the chemical symbol of {x}",
            "the symbol for the element {x}",
            "the short sign for {x} in chemistry",
        ),
        ("Which letters stand for {x} in chemistry?", "How do chemists write {x} for short?"),
        weight=1.1,
        mark="exact",
        lower=False,
    ),
    _relation(
        "element",
        _swap(SYMBOLS),
        (
            "the element with the symbol {x}",
            "the element written {x}",
            "the chemical name behind {x}",
        ),
        ("Which element has the symbol {x}?", "What does {x} stand for in chemistry?"),
        weight=1.1,
        lower=False,
    ),
    _relation(
        "atomic-number",
        ATOMIC_NUMBERS,
        (
            "the atomic number of {x}",
            "the number of protons in {x}",
            "{x}'s number in the periodic table",
        ),
        (
            "How many protons does an atom of {x} have?",
            "At which place of the periodic table is {x}?",
        ),
    ),
    _relation(
        "number-element",
        _swap(ATOMIC_NUMBERS),
        ("the element with atomic number {x}", "the element with {x} protons"),
        ("Which element has the atomic number {x}?", "Whose atoms have {x} protons?"),
        weight=0.8,
    ),
    _relation(
        "young",
        YOUNG,
        (
            "a baby {x}",
            "the young of the {x}",
            "the word for a young {x}",
            "the name for the offspring of the {x}",
        ),
        ("How do you call a young {x}?", "What is the {x} called while it is a baby?"),
        weight=0.8,
    ),
    _relation(
        "sound",
        SOUNDS,
        (
            "the sound of the {x}",
            "the noise that the {x} makes",
            "the word for the call of the {x}",
        ),
        ("Which sound does the {x} make?", "How does the {x} call?"),
        weight=0.8,
    ),
    _relation(
        "opposite",
        OPPOSITES,
        (
            "the opposite of {x}",
            "the contrary of {x}",
            "the word that means the reverse of {x}",
            "the antonym of {x}",
        ),
        ("Which word is the opposite of {x}?", "Which word means the contrary of {x}?"),
    ),
)

__all__ = ["TASKS"]
