"""JEM: the joint energy-based classifier (W. Grathwohl et al., ICLR 2020, arXiv 1912.03263).

A classifier with logits f(x) of C classes is read as the joint distribution

    p(x, y) ~ exp(f(x)[y]),      p(y | x) = softmax f(x)[y],
    E(x, y) = -f(x)[y],          E(x) = -log sum_y exp f(x)[y]

with one normaliser for all classes, and is trained by

    loss = w_y CE(f(x), y) + w_x (mean E(x_pos) - mean E(x_neg)) + w_xy (mean E(x_pos, y) - mean E(x_neg, y)).

The cross-entropy sees clean data (augmented, if so set), the contrasts data smoothed by noise. x_neg are
Langevin chains of p(x) from a replay buffer, in the last term chains of p(x | y) from the part of the buffer
that belongs to their class. Every chain keeps the class of its slot, so chains of p(x) are at hand for
p(x | y) later. With w_x = w_xy = 0 no chain runs: the same network as a plain classifier.

Not one joint distribution as published: the chain has a drift of 1 and noise of .01, so it samples
exp(-E(x)/T) with T = 5e-5, while the softmax is taken at T = 1. `claims_density` speaks of the chain's
distribution alone. Only at T = 1 (preset toy) are p(x) and p(y | x) those of one p(x, y).

Samples are chains of p(x | y) for the class asked for. The released code sorts chains of p(x) by the class
that the model sees in them, which is another thing where the model is unsure. It also draws chains from its
buffer with replacement, so that some go on twice in one update; here, and in `cebm`, none does.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.random import seeded_init
from ...core.records import Batch, Loss
from ...data.augment import augment
from ...data.dataset import Dataset
from ...data.few import few
from ...objectives.settings import LossConfig
from ...starts.base import BufferSample, Start
from ..chain_sampler import chain_kernel, chain_sampler
from ..chains import init_noise
from ..contrastive import ChainEnds, chain_ends, contrastive_loss, energies_of_both
from ..data_noise import noised_data
from ..joint_energy import JointEnergy
from ..learner import Learner
from ..networks import data_spec, energy_net
from ..sampler import Sampler
from ..stored import stored_samplers
from ..training_start import training_start
from .config import JEMConfig

Chains = list[tuple[BufferSample, ChainEnds]]


def build(
    config: JEMConfig, event_shape: tuple[int, ...], rng: torch.Generator, net: nn.Module | None = None
) -> JEM:
    """The learner of a classifier `net`, whose `logits(x)` are `(B, classes)`."""
    spec = data_spec(config, event_shape)
    with seeded_init(rng):
        net = energy_net(config.net, spec, net)
    model = JointEnergy(net, spec, temperature=config.chain.temperature)
    noise = init_noise(config.start, spec)
    model.samplers["default"] = chain_sampler(model, config.sampling, noise)
    return JEM(config, model, training_start(config.start, spec, config.pixels.noise, rng), noise)


class JEM(Learner):
    """Cross-entropy of labelled rows and contrasts of data and chains, in one update."""

    config: JEMConfig
    model: JointEnergy

    def __init__(self, config: JEMConfig, model: JointEnergy, buffer: Start, noise: Start) -> None:
        super().__init__(config, model)
        self.buffer, self.init_noise = buffer, noise
        self.kernel = chain_kernel(model, config.chain)
        self._taught: Dataset | None = None

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the classifier."""
        return {"energy": self.model.net}

    def setup(self, data: Dataset) -> None:
        """Keep the rows whose labels may be seen, where `labelled` says that not all may.

        Raises `UsageError` for data with another number of classes, or with too few rows of one.
        """
        wanted, found = self.model.spec.num_classes, len(data.classes)
        if found != wanted:
            raise UsageError(
                f"net.classes is {wanted}, but {data.name} has {found}: set net.classes to {found}"
            )
        self._taught = few(data, self.config.labelled) if self.config.labelled else None

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """All terms of the loss; then the chains go back into the buffer."""
        weights, chains = self.config.loss, Chains()
        taught = self._labelled(batch, rng)
        total = Loss(torch.zeros((), device=batch.x.device))
        if weights.w_y:
            total = total + self._classification(taught, rng)
        if weights.w_x:
            total = total + self._of_x(batch, chains, rng)
        if weights.w_xy:
            told = self._of_xy(taught, chains, rng)
            total = total + (_renamed(told, "{}_xy") if weights.w_x else told)
        yield "energy", total
        for drawn, ends in chains:
            self.buffer.write(drawn, ends.raw)

    def samplers(self) -> dict[str, Sampler]:
        """Chains that go on from stored ones: of p(x), or of p(x | y) from those of the classes `y`."""
        chain = chain_sampler(self.model, self.config.sampling, self.init_noise)
        return stored_samplers(chain, self.buffer)

    # -- the terms of the loss ----------------------------------------------------------------------

    def _labelled(self, batch: Batch, rng: torch.Generator) -> Batch:
        """The batch itself; where labels are hidden, as many rows drawn from those that are not."""
        if not self.config.labelled:
            return batch
        if self._taught is None:
            raise UsageError(
                f"labelled is {self.config.labelled}: train by gibbsian.fit, or call setup(data) first"
            )
        rows = torch.randint(len(self._taught), (len(batch),), generator=rng, device=rng.device).cpu()
        pixels = self.config.pixels
        return self._taught.batch(rows, pixels.low, pixels.high).to(batch.x.device)

    def _classification(self, taught: Batch, rng: torch.Generator) -> Loss:
        cfg, y = self.config, _labels(taught)
        pixels = cfg.pixels
        x = augment(taught.x, cfg.augment, rng, low=pixels.low, high=pixels.high)
        if cfg.loss.smoothed:
            x = noised_data(Batch(x), pixels, rng)
        bf16 = self.options.precision == "bf16"
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
            f = self.model.logits(x)
        value = F.cross_entropy(f.to(x.dtype), y, label_smoothing=cfg.loss.label_smoothing)
        right = (f.argmax(1) == y).float().mean()
        return Loss(cfg.loss.w_y * value, {"cross_entropy": value.detach(), "accuracy": right})

    def _of_x(self, batch: Batch, chains: Chains, rng: torch.Generator) -> Loss:
        """The contrast of E(x); the batch's labels are not used."""
        unlabelled, classes = Batch(batch.x), self.model.spec.num_classes
        y = None
        if self.config.loss.ancestral:
            y = torch.randint(classes, (len(batch),), generator=rng, device=rng.device)
        ends = self._ends(unlabelled, y, chains, rng)
        x_pos = noised_data(unlabelled, self.config.pixels, rng)
        return self._contrast(self.config.loss.w_x, x_pos, None, ends)

    def _of_xy(self, taught: Batch, chains: Chains, rng: torch.Generator) -> Loss:
        """The contrast of E(x, y): labelled rows against chains of p(x | y) with the same labels."""
        y = _labels(taught)
        ends = self._ends(taught, y, chains, rng)
        x_pos = noised_data(taught, self.config.pixels, rng)
        return self._contrast(self.config.loss.w_xy, x_pos, y, ends)

    def _ends(self, batch: Batch, y: Tensor | None, chains: Chains, rng: torch.Generator) -> ChainEnds:
        """Where chains of p(x), or of p(x | y), end; noted in `chains`, to be written back after."""
        drawn = self.buffer.draw(len(batch), rng, batch=batch, y=y)
        ends = chain_ends(
            self.model,
            drawn,
            self.kernel,
            self.config.chain.steps,
            rng,
            self.options,
            energy=self.model.conditioned(y),
            init_noise=self.init_noise,
        )
        chains.append((drawn, ends))
        return ends

    def _contrast(self, weight: float, x_pos: Tensor, y: Tensor | None, ends: ChainEnds) -> Loss:
        energy = self.model.conditioned(None if y is None else torch.cat([y, y]))
        e_pos, e_neg = energies_of_both(energy, x_pos, ends.x, precision=self.options.precision)
        found = contrastive_loss(e_pos, e_neg, LossConfig(energy_l2=self.config.loss.energy_l2), ends)
        return Loss(weight * found.value, found.metrics)


def _labels(batch: Batch) -> Tensor:
    if batch.y is None:
        raise UsageError("a classifier needs labels: take labelled data")
    return batch.y


def _renamed(loss: Loss, form: str) -> Loss:
    return Loss(loss.value, {form.format(k): v for k, v in loss.metrics.items()})
