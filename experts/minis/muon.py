"""Muon: momentum whose matrix updates are made orthogonal, and AdamW for all that is no matrix.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
torch has one too, but it always works in bfloat16, which many CPUs emulate, and takes
matrices one by one; this one does so only if told to, and handles all of a shape at once.
"""

from collections.abc import Iterable
from typing import Any

import torch

# Coefficients of the quintic Newton-Schulz iteration, from the reference above.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonal(matrices: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """Bring the singular values of each matrix of ``[n, rows, columns]`` near one."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(rounds):
        square = x @ x.transpose(1, 2)
        x = _A * x + (_B * square + _C * square @ square) @ x
    result: torch.Tensor = x.transpose(1, 2) if tall else x
    return result


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum for matrices ``[rows, columns]`` or ``[experts, rows, columns]``.

    With `half`, the matrices are made orthogonal in bfloat16, whose noise does no harm there.
    The update is scaled to a root mean square of 0.4 learning rates, about what Adam's
    has early in training, so that one learning rate suits both optimizers.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        momentum: float = 0.95,
        decay: float = 0.05,
        half: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})
        self.half = half

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step with the gradients at hand; a closure is not called."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault(p.shape[-2:], []).append(p)
            for params in shapes.values():
                self._step_alike(params, group)

    def _step_alike(self, params: list[torch.Tensor], group: dict[str, Any]) -> None:
        """Step all parameters whose matrices are of one shape."""
        moves = []
        for p in params:
            state, grad = self.state[p], p.grad
            assert grad is not None  # step() leaves parameters without a gradient out
            if not state:
                state["momentum"] = torch.zeros_like(p)
            state["momentum"].lerp_(grad, 1 - group["momentum"])
            moves.append(grad.lerp(state["momentum"], group["momentum"]))
        matrices = torch.cat([m.reshape(-1, *m.shape[-2:]) for m in moves])
        scale = 0.4 * max(matrices.shape[1:]) ** 0.5
        updates = orthogonal(matrices.bfloat16()).float() if self.half else orthogonal(matrices)
        start = 0
        for p, move in zip(params, moves, strict=True):
            count = move.numel() // (move.shape[-1] * move.shape[-2])
            update = updates[start : start + count].reshape(p.shape)
            start += count
            p.mul_(1 - group["lr"] * group["decay"])
            p.add_(update, alpha=-group["lr"] * scale)


__all__ = ["Muon", "orthogonal"]
