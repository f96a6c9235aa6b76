"""Classifiers that learn classes in sequence, each trained by the library's trainer, a task at a time.

contrast    E(x, y) against one other label of the task (S. Li et al. 2020), or against all labels
softmax     cross-entropy over the classes seen so far; with more epochs ago forgotten: fine-tuning
ewc         + lambda/2 sum F (w - w*)^2, F the diagonal Fisher information (J. Kirkpatrick et al. 2017)
si          + c sum Omega (w - w*)^2, Omega from the path of the weights (F. Zenke et al. 2017)
lwf         + distillation of the old network's answers on new data (Z. Li and D. Hoiem 2016)
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from ...core.records import Batch, Loss
from ...data.dataset import Dataset
from ...models.joint_energy import JointEnergy
from ...models.learner import Learner
from ...models.net_energy import NetEnergy
from ...nets.gated import GatedNet
from ...objectives.contrast import contrast
from ...objectives.labels import other_labels

LabelModel: TypeAlias = NetEnergy | JointEnergy
FISHER_ROWS = 1000
"""Rows of a task from which the Fisher information is estimated, at most."""


class InSequence(Learner):
    """What learns labels task by task: `task` and `seen` are the classes of the present one and of all."""

    model: LabelModel
    task: Tensor
    seen: Tensor

    def __init__(self, model: LabelModel) -> None:
        super().__init__(None, model)
        self.task, self.seen = (torch.zeros(0, dtype=torch.int64) for _ in range(2))

    def setup(self, data: Dataset) -> None:
        """A task begins."""
        assert data.y is not None
        self.task = data.y.unique()
        self.seen = torch.cat([self.seen, self.task]).unique()

    def after_task(self, data: Dataset) -> None:
        """A task ended, whose rows were `data`."""

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the network."""
        return {"energy": self.model}


class LabelContrast(InSequence):
    """softplus(E(x, y) - E(x, y')) with y' another class of the task, or a softmax over all labels."""

    def __init__(self, model: LabelModel, negative: str = "current") -> None:
        super().__init__(model)
        self.negative = negative

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """One loss an update."""
        assert batch.y is not None
        if self.negative == "all":
            yield "energy", Loss(F.cross_entropy(-self.model.class_energies(batch.x), batch.y))
            return
        y_neg = other_labels(batch.y, self.task.to(batch.y.device), rng)
        net = self.model.net
        assert isinstance(net, GatedNet)
        e_pos, e_neg = net.energies(batch.x, torch.stack([batch.y, y_neg], 1)).unbind(1)
        yield "energy", contrast(e_pos, e_neg, "softplus")


class Softmax(InSequence):
    """Cross-entropy over the classes seen so far, with a penalty that ties the weights to the past."""

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """One loss an update."""
        assert batch.y is not None
        f = self.answers(self.model, batch.x)
        value = F.cross_entropy(f[:, self.seen], torch.searchsorted(self.seen, batch.y))
        yield "energy", Loss(value + self.penalty(batch, f))

    def answers(self, model: LabelModel, x: Tensor) -> Tensor:
        """Logits `(B, classes)`."""
        return -model.class_energies(x)

    def penalty(self, batch: Batch, f: Tensor) -> Tensor:
        """What is added for the sake of earlier tasks, a scalar."""
        return f.new_zeros(())


class Anchored(Softmax):
    """strength sum importance (w - anchor)^2 over all weights, which earlier tasks left so."""

    def __init__(self, model: LabelModel, strength: float) -> None:
        super().__init__(model)
        self.strength = strength
        self.importance = {k: torch.zeros_like(p) for k, p in model.named_parameters()}
        self.anchor = {k: p.detach().clone() for k, p in model.named_parameters()}

    def penalty(self, batch: Batch, f: Tensor) -> Tensor:
        """The quadratic form."""
        parts = (
            (self.importance[k] * (p - self.anchor[k]).square()).sum()
            for k, p in self.model.named_parameters()
        )
        return self.strength * torch.stack(list(parts)).sum()

    def after_task(self, data: Dataset) -> None:
        """The weights become the anchor, and their importance grows."""
        for k, more in self.measured(data).items():
            self.importance[k] += more
        self.anchor = {k: p.detach().clone() for k, p in self.model.named_parameters()}

    def measured(self, data: Dataset) -> dict[str, Tensor]:
        """How important each weight was to the task that ended."""
        raise NotImplementedError


class EWC(Anchored):
    """Elastic weight consolidation with one quadratic form, the sum over tasks (online, no decay)."""

    def measured(self, data: Dataset) -> dict[str, Tensor]:
        """Mean squared gradient of -log p(y | x), one row at a time, by the true labels."""
        rows = torch.arange(len(data))[:: max(1, len(data) // FISHER_ROWS)]
        spec, device = self.model.spec, next(self.model.parameters()).device
        weights = {k: p.detach() for k, p in self.model.named_parameters()}
        total = {k: torch.zeros_like(p) for k, p in weights.items()}

        def of_row(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            f = functional_call(_Answers(self), {f"model.{k}": v for k, v in weights.items()}, (x[None],))
            return F.cross_entropy(f[:, self.seen], y[None])

        for index in rows.split(25):
            batch = data.batch(index, spec.low, spec.high).to(device)
            assert batch.y is not None
            y = torch.searchsorted(self.seen, batch.y)
            for k, g in vmap(grad(of_row), (None, 0, 0))(weights, batch.x, y).items():
                total[k] += g.square().sum(0)
        return {k: v / len(rows) for k, v in total.items()}


class _Answers(nn.Module):
    """Logits as a module's forward pass, which `functional_call` gives other weights."""

    def __init__(self, learner: Softmax) -> None:
        super().__init__()
        self.model, self.of = learner.model, learner.answers

    def forward(self, x: Tensor) -> Tensor:
        return self.of(self.model, x)


class SI(Anchored):
    """Synaptic intelligence: what each weight's way contributed to the fall of the loss, over its square."""

    DAMPING = 0.1

    def __init__(self, model: LabelModel, strength: float) -> None:
        super().__init__(model, strength)
        self.path = {k: torch.zeros_like(p) for k, p in model.named_parameters()}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """The loss; after the step, gradient times way."""
        before = {k: p.detach().clone() for k, p in self.model.named_parameters()}
        yield from super().losses(batch, step, rng)
        for k, p in self.model.named_parameters():
            if p.grad is not None:
                self.path[k] -= p.grad * (p.detach() - before[k])

    def measured(self, data: Dataset) -> dict[str, Tensor]:
        """Omega of the task that ended; the path begins anew."""
        found = {
            k: self.path[k].clamp(min=0) / ((p.detach() - self.anchor[k]).square() + self.DAMPING)
            for k, p in self.model.named_parameters()
        }
        self.path = {k: torch.zeros_like(v) for k, v in self.path.items()}
        return found


class LwF(Softmax):
    """Learning without forgetting: the old network's softened answers on the new data are targets too."""

    TEMPERATURE = 2.0

    def __init__(self, model: LabelModel) -> None:
        super().__init__(model)
        self.old: tuple[LabelModel, Tensor] | None = None

    def penalty(self, batch: Batch, f: Tensor) -> Tensor:
        """T^2 times the cross-entropy at temperature T with the old network, over its classes."""
        if self.old is None:
            return f.new_zeros(())
        model, known = self.old
        with torch.no_grad():
            target = (self.answers(model, batch.x)[:, known] / self.TEMPERATURE).softmax(1)
        return self.TEMPERATURE**2 * F.cross_entropy(f[:, known] / self.TEMPERATURE, target)

    def after_task(self, data: Dataset) -> None:
        """The network as it is becomes the old one."""
        self.old = (copy.deepcopy(self.model).requires_grad_(False), self.seen)
