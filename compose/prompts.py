"""Labelled prompts: questions whose right answers are known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from compose.errors import DataError
from compose.verify import VERIFIERS


@dataclass(frozen=True, slots=True)
class LabelledPrompt:
    """A prompt with its right answer; ``verifier`` names how an answer is compared with it."""

    id: str
    source: str
    prompt: str
    answer: str
    verifier: str = "exact"


def read_prompts(path: Path) -> list[LabelledPrompt]:
    """Read JSON lines with ``prompt`` and ``answer``, and where wanted ``id, source, verifier``."""
    prompts = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            prompts.append(_prompt(line, f"{path}, line {number}", str(number)))
    if len({prompt.id for prompt in prompts}) != len(prompts):
        raise DataError(f"{path}: two prompts have the same id; each result is kept by its id")
    if not prompts:
        raise DataError(f"{path}: holds no prompts")
    return prompts


def _prompt(line: str, where: str, default_id: str) -> LabelledPrompt:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON") from error
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise DataError(f"{where}: needs an object with a text under 'prompt'")
    if not isinstance(row.get("answer"), str | int | float):
        raise DataError(f"{where}: needs the right answer under 'answer'")
    verifier = row.get("verifier", "exact")
    if verifier not in VERIFIERS:
        raise DataError(f"{where}: unknown verifier {verifier!r}; known: {', '.join(VERIFIERS)}")
    return LabelledPrompt(
        id=str(row.get("id", default_id)),
        source=str(row.get("source", "")),
        prompt=row["prompt"],
        answer=str(row["answer"]),
        verifier=verifier,
    )
