"""Measure exact match of the saved models: every model on every skill.

python -m experts.minis.evaluate --split validation
python -m experts.minis.evaluate --split test --per-skill 1000 --json matrix.json
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer

from experts.minis import NAMES, SKILLS, models_dir
from experts.minis.data import Example, generate, mixture
from experts.minis.splits import SPLITS, Split
from experts.minis.verify import verify

Matrix = dict[str, dict[str, float]]

LONGEST = 48


class Mini:
    """A saved mini, loaded as any Hugging Face folder, answering in batches.

    Weights are stored in bfloat16 and computed in float32, as they are served on CPU.
    """

    def __init__(self, folder: Path) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.model = model.to(self.device).eval()

    def answer(self, prompts: list[str], rows: int = 128) -> list[str]:
        """Answer each prompt by greedy decoding, in the order given."""
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        answers = [""] * len(prompts)
        for start in range(0, len(order), rows):
            group = order[start : start + rows]
            for i, text in zip(group, self._batch([prompts[i] for i in group]), strict=True):
                answers[i] = text
        return answers

    @torch.inference_mode()
    def _batch(self, prompts: list[str]) -> list[str]:
        chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
        inputs = self.tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        ).to(self.device)
        out = self.model.generate(**inputs, do_sample=False, max_new_tokens=LONGEST)
        new = out[:, inputs["input_ids"].shape[1] :]
        texts: list[str] = self.tokenizer.batch_decode(new, skip_special_tokens=True)
        return texts


def score(mini: Mini, examples: list[Example]) -> list[float]:
    """Return 1.0 or 0.0 for each example."""
    answers = mini.answer([example.prompt for example in examples])
    return [verify(e, answer) for e, answer in zip(examples, answers, strict=True)]


def matrix(folder: Path, names: list[str], split: Split, per_skill: int, seed: int = 0) -> Matrix:
    """Return exact match, by model and skill, of the folders ``folder/<name>``."""
    examples = {skill: generate(skill, split, per_skill, seed) for skill in SKILLS}
    result: Matrix = {}
    for name in names:
        mini = Mini(folder / name)
        scores = {skill: score(mini, examples[skill]) for skill in SKILLS}
        result[name] = {skill: sum(s) / len(s) for skill, s in scores.items()}
        result[name]["all"] = sum(result[name].values()) / len(SKILLS)
    return result


def latency(mini: Mini, examples: list[Example]) -> dict[str, float]:
    """Return milliseconds per answer, one prompt at a time on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    mini.answer([examples[0].prompt])  # the first call also sets things up
    spent = []
    for example in examples:
        begun = time.perf_counter()
        mini.answer([example.prompt])
        spent.append(1000 * (time.perf_counter() - begun))
    torch.set_num_threads(threads)
    spent.sort()
    return {"p50": spent[len(spent) // 2], "p95": spent[int(0.95 * len(spent))]}


def by_task(mini: Mini, skill: str, split: Split, n: int, seed: int = 0) -> dict[str, float]:
    """Return exact match by task of one skill, the weakest first."""
    examples = generate(skill, split, n, seed)
    marks: dict[str, list[float]] = {}
    for example, mark in zip(examples, score(mini, examples), strict=True):
        marks.setdefault(example.task, []).append(mark)
    means = {task: sum(found) / len(found) for task, found in marks.items()}
    return dict(sorted(means.items(), key=lambda item: item[1]))


def table(result: Matrix) -> Table:
    """Lay a matrix out for the console."""
    columns = [*SKILLS, "all"]
    grid = Table("model", *columns, title="exact match")
    for name, row in result.items():
        cells = [f"{row[column]:.3f}" for column in columns]
        grid.add_row(
            name,
            *[f"[bold]{c}[/]" if k == name else c for k, c in zip(columns, cells, strict=True)],
        )
    return grid


def main(argv: list[str] | None = None) -> None:
    """Print the matrix, the tasks of one skill, or latencies."""
    parser = argparse.ArgumentParser(
        prog="python -m experts.minis.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", type=Path, default=models_dir())
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME")
    parser.add_argument("--split", choices=SPLITS, default="validation")
    parser.add_argument("--per-skill", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", choices=SKILLS, help="split this skill's result by task")
    parser.add_argument("--latency", action="store_true", help="measure milliseconds per answer")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    args = parser.parse_args(argv)
    names = args.only or [name for name in NAMES if (args.models / name).exists()]
    result: dict[str, Any]
    console = Console()
    if args.latency:
        examples = mixture(args.split, 120, args.seed)
        result = {name: latency(Mini(args.models / name), examples) for name in names}
        console.print(result)
    elif args.tasks:
        size = (args.tasks, args.split, args.per_skill, args.seed)
        result = {name: by_task(Mini(args.models / name), *size) for name in names}
        console.print(result)
    else:
        result = matrix(args.models, names, args.split, args.per_skill, args.seed)
        console.print(table(result))
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
