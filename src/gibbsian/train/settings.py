"""What a person can set about fitting: optimiser, averages, budget, divergence policy."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal, TypeAlias

from ..core.config import require_choices
from ..core.errors import UsageError, require_not_negative, require_positive

Compiling: TypeAlias = Literal["never", "auto", "always"]


@dataclass(frozen=True)
class TrainConfig:
    """The training loop."""

    step_counted: ClassVar[tuple[str, ...]] = ("warmup",)
    steps: int = 2000
    """Weight updates."""
    batch_size: int = 128
    """Data points, and chains, in one update."""
    lr: float = 1e-4
    """Peak learning rate of Adam."""
    beta1: float = 0.9
    """Adam's first-moment decay."""
    beta2: float = 0.999
    """Adam's second-moment decay."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW), of every group of weights."""
    warmup: int = 0
    """Updates over which the learning rate rises from 0."""
    decay: float = 0.0
    """Last share of the updates over which the learning rate falls, by a cosine, to lr_end."""
    lr_end: float = 0.0
    """Learning rate at the end, as a share of lr; used when decay > 0."""
    average: float = 0.0
    """Decay of the exponentially averaged weights used for sampling; 0 uses the weights themselves."""
    clip_norm: float = 0.0
    """Bound on the norm of the weight gradient; 0 for none."""
    clip_moments: bool = False
    """Clip each weight gradient to 3 standard deviations by Adam's second moment (IGEBM)."""
    accumulate: int = 1
    """Micro-batches in one update."""
    flip: bool = False
    """Random horizontal flips of the data."""
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    """bf16: the network runs under bfloat16 autocast; positions, noise and sums stay float32. auto: bf16 for
    images where that is quicker here, which is timed at the start and stored."""
    compile: Compiling = "never"
    """Compiled chains: always, never, or auto: what is built already, and in the background what is missing
    after 30,000 steps (no bit-for-bit resume)."""
    seed: int = 0
    """Seed of every random stream."""
    log_every: int = 10
    """Updates between lines of metrics.jsonl."""
    save_every: int = 500
    """Updates between checkpoints."""
    sample_every: int = 500
    """Updates between sample grids; 0 for none."""
    validate_every: int = 0
    """Updates between validation measures, which choose the best checkpoint; 0 for none."""
    keep: int = 2
    """Newest checkpoints kept."""

    def __post_init__(self) -> None:
        require_choices(self, "train")
        for name in ("lr", "batch_size", "accumulate", "log_every", "save_every", "keep"):
            require_positive(**{f"train.{name}": getattr(self, name)})
        for name in (
            "steps",
            "weight_decay",
            "warmup",
            "lr_end",
            "clip_norm",
            "sample_every",
            "validate_every",
            "seed",
        ):
            require_not_negative(**{f"train.{name}": getattr(self, name)})
        for name in ("beta1", "beta2", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"train.{name} is {getattr(self, name)}: it must lie in [0, 1)")
        if not 0 <= self.decay <= 1:
            raise UsageError(f"train.decay is {self.decay}: a share of the updates lies in [0, 1]")
        if self.batch_size % self.accumulate:
            raise UsageError(
                f"train.batch_size {self.batch_size} does not split into {self.accumulate} equal "
                "micro-batches: choose accumulate among its divisors"
            )


@dataclass(frozen=True)
class MonitorConfig:
    """When training counts as diverged, and what happens then.

    A bound must be broken `patience` updates in a row; a hundredfold excess and non-finite numbers alarm
    at once. The defaults come from the digits recipe: healthy runs stay below .7 in the gap, 2 in the
    weight gradient, .06 in the drift and 0 in the saturation; with chain steps 100 times too large the
    drifts of the first five updates lie between .27 and .58. The bound of .15 is 2.5 times the one and
    about half of the other; no chain whose clipped gradient is that of a paper's preset can reach it.
    """

    policy: Literal["stop", "rollback"] = "stop"
    """Stop with exit code 4, or go back to the last good checkpoint with a lower learning rate."""
    max_rollbacks: int = 3
    """Rollbacks before giving up."""
    lr_factor: float = 0.5
    """Factor on the learning rate at each rollback."""
    max_gap: float = 1e3
    """Bound on |mean E(x_pos) - mean E(x_neg)|."""
    max_grad: float = 1e5
    """Bound on the norm of the weight gradient."""
    max_drift: float = 0.15
    """Bound on the mean length of one chain step's drift, as a share of the diagonal of the data's box."""
    max_drift_z: float = 0.5
    """The same for chains on latents, as a share of the length of a draw from N(0, I)."""
    max_log_partition_error: float = 3.0
    """Bound on |c - log mean exp(-E)| of a learnt log-partition c, in nats."""
    max_saturated: float = 0.5
    """Bound on the share of negative-phase pixels at the border of the range, among those that lie inside
    it in the data (so that black backgrounds do not count)."""
    max_divergent: float = 0.5
    """Bound on the share of chains that meet a non-finite number on their way."""
    patience: int = 5
    """Updates in a row beyond a bound before the alarm."""

    def __post_init__(self) -> None:
        require_choices(self, "monitor")
        for name in (*(f.name for f in fields(self) if f.name.startswith("max_")), "patience"):
            require_positive(**{f"monitor.{name}": getattr(self, name)})
        require_not_negative(**{"monitor.max_rollbacks": self.max_rollbacks})
        if not 0 < self.lr_factor <= 1:
            raise UsageError(f"monitor.lr_factor is {self.lr_factor}: it must lie in (0, 1]")
