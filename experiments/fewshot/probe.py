"""Linear probes: what a few labels can read off given features. All in float64.

Softmax regression (multinomial logistic regression) with a squared penalty, principal axes, standard scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gibbsian.core.errors import UsageError, require_positive
from gibbsian.metrics.arrays import pair, table

Pair = tuple[Tensor, Tensor]


def softmax_regression(x: Tensor, y: Tensor, *, strength: float = 1.0, steps: int = 500) -> Pair:
    """Weights `(C, D)` and offsets `(C,)`, float64, that predict labels `y` `(N,)` from rows `x` `(N, D)`.

        minimise   sum_i -log softmax(W x_i + b)[y_i] + |W|^2 / (2 strength)

    by at most `steps` of L-BFGS with its gradient written out; offsets are not penalised, C is max y + 1.
    scikit-learn calls `strength` C and has the same default. Raises `UsageError` for rows that are not
    finite, sizes that differ, or a strength that is not positive.
    """
    rows = table(x, "features", rows=1)
    require_positive(strength=strength)
    if y.shape != (len(rows),):
        raise UsageError(f"labels have shape {tuple(y.shape)} for {len(rows)} rows")
    inputs = torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
    targets = torch.nn.functional.one_hot(y).to(rows)
    w = torch.zeros(targets.shape[1], inputs.shape[1], dtype=torch.float64)
    optimiser = torch.optim.LBFGS(
        [w], max_iter=steps, tolerance_grad=1e-6, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        logits = inputs @ w.T
        shrink = torch.cat([w[:, :-1], torch.zeros_like(w[:, -1:])], dim=1) / strength
        w.grad = (logits.softmax(1) - targets).T @ inputs + shrink
        return logits.logsumexp(1).sum() - (logits * targets).sum() + 0.5 * (w * shrink).sum()

    optimiser.step(loss)
    return w[:, :-1].clone(), w[:, -1].clone()


def principal(train: Tensor, test: Tensor, width: int) -> Pair:
    """Both sets `(N, D)`, `(M, D)` on the `width` first principal axes of the train set.

    Raises `UsageError` if there are fewer axes.
    """
    first, second = pair(train, test)
    if not 1 <= width <= min(first.shape):
        raise UsageError(f"{width} principal axes of rows {tuple(first.shape)}: there are {min(first.shape)}")
    mean = first.mean(0)
    centred = first - mean
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, :width]
    return centred @ axes, (second - mean) @ axes


def standardised(train: Tensor, test: Tensor, *, together: bool = False) -> Pair:
    """Both sets `(N, D)`, `(M, D)` in standard scores of the train set; constant columns become 0.

    `together` divides by one deviation, the root mean variance of all columns, and so keeps their relative
    sizes: principal components would otherwise be whitened, which blows up those that are mostly noise.
    """
    mean, std = train.mean(0), train.std(0)
    if together:
        std = std.square().mean().sqrt().expand(std.shape)
    scale = torch.where(std > 1e-12 * std.max(), 1 / std, torch.zeros_like(std))
    return (train - mean) * scale, (test - mean) * scale
