"""Train the minis from scratch.

    python -m experts.minis.train                    all seven; docs/minis.md says how long
    python -m experts.minis.train --only facts       one of them

Every model gets the same budget. With ``--threads 1``, as many runs as there are cores
go well side by side.
A run that is stopped goes on where it was when it is started again; a model that
is finished is not trained twice (``--fresh`` does).
"""

import argparse
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers.models.olmoe.modeling_olmoe import load_balancing_loss_func

from experts.minis import GENERALIST, NAMES, models_dir
from experts.minis.batches import Batch, batches
from experts.minis.muon import Muon
from experts.minis.shape import EXPERTS, TOP_K, make
from experts.minis.tokenizer import build

Report = Callable[[int, float], None]


@dataclass(frozen=True)
class Budget:
    """What a model may spend, and how it spends it: the same for all seven.

    Parameters
    ----------
    steps, rows : so many batches of so many questions
    rate, embedding_rate : highest learning rates, of Muon and of AdamW
    warmup : steps until they are reached
    decay : weight decay of the matrices
    prompt : how much the words of the question count beside those of the answer. A name or a
        number that comes up again in a question teaches to look back for it, which is what the
        tasks with matching need.
    balance : weight of the load-balancing loss of the generalist's experts
    """

    steps: int = 7_000
    rows: int = 32
    rate: float = 8e-4
    embedding_rate: float = 2e-3
    warmup: int = 100
    decay: float = 0.05
    prompt: float = 0.3
    balance: float = 0.01
    seed: int = 1
    layers: int = 4


def has_fast_bfloat16(device: str) -> bool:
    """Say whether `device` multiplies bfloat16 faster than float32, and does not emulate it."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older releases do not say; float32 is right everywhere.
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def optimizers(
    model: torch.nn.Module, budget: Budget, half: bool = False
) -> list[torch.optim.Optimizer]:
    """Return Muon for the layers' matrices, and AdamW for embeddings, norms and routers.

    `half` lets Muon multiply in bfloat16.
    """
    matrices: list[torch.Tensor] = []
    others: list[torch.Tensor] = []
    for name, p in model.named_parameters():
        inner = p.ndim >= 2 and ".layers." in name and ".gate.weight" not in name
        (matrices if inner else others).append(p)
    adam = torch.optim.AdamW(
        others, lr=budget.embedding_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
    )
    return [Muon(matrices, lr=budget.rate, decay=budget.decay, half=half), adam]


class Trainer:
    """Trains one mini and keeps its state in `work`, so that it can be stopped at any time."""

    def __init__(self, name: str, budget: Budget, work: Path) -> None:
        self.name, self.budget = name, budget
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.half = has_fast_bfloat16(self.device)
        self.tokenizer = build()
        torch.manual_seed(budget.seed)
        self.model = make(name, self.tokenizer, budget.layers).to(self.device)
        if self.device == "cpu":
            # At 20-60 tokens, torch's fused attention for CPUs is slower than the plain one.
            self.model.set_attn_implementation("eager")
        self.optimizers = optimizers(self.model, budget, self.half)
        self.step, self.seconds = 0, 0.0
        self.state = work / f"{name}.pt"
        self._routing: list[torch.Tensor] = []
        if name == GENERALIST:
            # Faster than the loop over experts; a way to compute, and so no part of the folder.
            self.model.set_experts_implementation("grouped_mm")
            for layer in self.model.model.layers:
                layer.mlp.gate.register_forward_hook(self._note_routing)

    def run(self, until: int, report: Report, save_every: float = 60.0) -> None:
        """Train up to step `until`, saving the state every `save_every` seconds and at the end."""
        self.resume()
        self.model.train()
        begun = saved = time.monotonic()
        stream = batches(self.name, self.tokenizer, self.budget.rows, self.step, self.budget.seed)
        while self.step < until:
            loss = self._learn(next(stream))
            self.step += 1
            now = time.monotonic()
            if self.step % 20 == 0:
                report(self.step, float(loss))
            if now - saved > save_every:
                self._save(now - begun)
                begun = saved = now
        self._save(time.monotonic() - begun)

    def resume(self) -> None:
        """Load the state of an earlier run, if there is one of the same budget."""
        if not self.state.exists():
            return
        state = torch.load(self.state, map_location=self.device, weights_only=True)
        if state["budget"] != asdict(self.budget):
            raise ValueError(f"{self.state} is of another budget: use --fresh, or the same options")
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]

    def export(self, folder: Path) -> None:
        """Write the Hugging Face folder, its weights rounded to bfloat16."""
        rounded = make(self.name, self.tokenizer, self.budget.layers).to(torch.bfloat16)
        rounded.load_state_dict(self.model.state_dict())
        shutil.rmtree(folder, ignore_errors=True)
        rounded.save_pretrained(folder)
        self.tokenizer.save_pretrained(str(folder))
        notes = {
            "name": self.name,
            "budget": asdict(self.budget),
            "seconds": round(self.seconds),
            "device": self.device,
            "threads": torch.get_num_threads(),
        }
        (folder / "training.json").write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")

    def _learn(self, batch: Batch) -> torch.Tensor:
        rates = (self.budget.rate, self.budget.embedding_rate)
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * self._schedule()
        ids, labels = batch.ids.to(self.device), batch.labels.to(self.device)
        self._routing.clear()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            hidden = self.model.model(input_ids=ids, use_cache=False).last_hidden_state
            said = ids[:, 1:] != self.tokenizer.pad_token_id
            logits = self.model.lm_head(hidden[:, :-1][said])
        each = torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][said], reduction="none")
        answer = labels[:, 1:][said] != -100
        loss = each[answer].mean()
        total = loss + self.budget.prompt * each[~answer].mean() + self._balance()
        self.model.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return loss.detach()

    def _schedule(self) -> float:
        """Warm up linearly, then fall along a cosine to a hundredth."""
        if self.step < self.budget.warmup:
            return (self.step + 1) / self.budget.warmup
        done = (self.step - self.budget.warmup) / max(1, self.budget.steps - self.budget.warmup)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))

    def _note_routing(self, module: Any, inputs: Any, output: tuple[torch.Tensor, ...]) -> None:
        self._routing.append(output[0])

    def _balance(self) -> torch.Tensor | float:
        """The load-balancing loss of the generalist's experts; nothing for a specialist."""
        if not self._routing:
            return 0.0
        loss: torch.Tensor = load_balancing_loss_func(tuple(self._routing), EXPERTS, TOP_K)
        return self.budget.balance * loss

    def _save(self, seconds: float) -> None:
        """Write beside, then rename: a kill in between leaves the older state whole."""
        self.seconds += seconds
        self.state.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "seconds": self.seconds,
            "budget": asdict(self.budget),
        }
        torch.save(state, self.state.with_suffix(".new"))
        self.state.with_suffix(".new").replace(self.state)


def train(names: list[str], out: Path, work: Path, budget: Budget, console: Console) -> None:
    """Train each of `names` that is not finished yet, with a bar each, and export it."""
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        for name in names:
            trainer = Trainer(name, budget, work)
            trainer.resume()
            bar = progress.add_task(name, total=budget.steps, completed=trainer.step, loss=0.0)

            def report(step: int, loss: float, bar: Any = bar, name: str = name) -> None:
                progress.update(bar, completed=step, loss=loss)
                if not console.is_terminal and step % 200 == 0:  # a log file shows no bars
                    console.print(f"{name} {step}/{budget.steps} loss {loss:.3f}")

            trainer.run(budget.steps, report)
            trainer.export(out / name)
            progress.console.print(f"{name}: {trainer.seconds:.0f} s -> {out / name}")


def main(argv: list[str] | None = None) -> None:
    """Train, then print exact match on the validation split (never on test)."""
    parser = argparse.ArgumentParser(
        prog="python -m experts.minis.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME")
    parser.add_argument("--out", type=Path, default=models_dir())
    parser.add_argument("--work", type=Path, default=Path("runs/minis"))
    parser.add_argument("--steps", type=int, default=Budget.steps)
    parser.add_argument("--rows", type=int, default=Budget.rows)
    parser.add_argument("--rate", type=float, default=Budget.rate)
    parser.add_argument("--layers", type=int, default=Budget.layers)
    parser.add_argument("--seed", type=int, default=Budget.seed)
    parser.add_argument("--threads", type=int, help="CPU threads; one each for runs side by side")
    parser.add_argument("--fresh", action="store_true", help="forget the state of earlier runs")
    args = parser.parse_args(argv)
    budget = Budget(
        steps=args.steps, rows=args.rows, rate=args.rate, layers=args.layers, seed=args.seed
    )
    names = args.only or list(NAMES)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.fresh:
        for name in names:
            (args.work / f"{name}.pt").unlink(missing_ok=True)
    console = Console()
    train(names, args.out, args.work, budget, console)

    from experts.minis.evaluate import matrix, table

    console.print(table(matrix(args.out, names, "validation", per_skill=300)))


if __name__ == "__main__":
    main()
