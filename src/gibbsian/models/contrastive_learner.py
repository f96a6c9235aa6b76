"""Learning by the contrast of data and chain ends: IGEBM, short-run learning, the generative ConvNet and the
conjugate EBM differ in where their chains begin and in what they move on, not in how they learn.

    loss = mean E(x_pos) - mean E(x_neg) + alpha (mean E(x_pos)^2 + mean E(x_neg)^2)

x_neg are where K steps of Langevin dynamics ended that began at stored chains (persistent), at fresh noise
(short run), at a fixed bank of noise, or at the data (contrastive divergence).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..core.records import Batch, Loss
from ..starts.base import Start
from .chain_sampler import ChainSampler, chain_kernel, chain_sampler
from .contrastive import chain_ends, contrastive_loss, energies_of_both
from .data_noise import noised_data
from .learner import Learner
from .model import EnergyModel
from .sampler import Sampler


class ContrastiveLearner(Learner):
    """Contrast of data and chains.

    Args:
        config: settings with sections `chain`, `pixels`, `loss` and `sampling`, the chain that draws samples.
        model: its network is the one group, "energy".
        buffer: where training chains begin, and where they are written back.
        init_noise: where lost chains begin anew, and where samples begin.
        before_update: called with the number of each update before its chains run.
        diagnose: further numbers to log, from the loss of an update.
    """

    def __init__(
        self,
        config: Any,
        model: EnergyModel,
        buffer: Start,
        init_noise: Start,
        *,
        before_update: Callable[[int], None] | None = None,
        diagnose: Callable[[Loss], dict[str, Tensor]] | None = None,
    ) -> None:
        super().__init__(config, model)
        self.buffer, self.init_noise = buffer, init_noise
        self.before_update, self.diagnose = before_update, diagnose
        self.stored: dict[str, Sampler] = {}
        self.kernel = chain_kernel(model, config.chain)
        self.mean_reduced = config.loss.mean_reduced

    def parameter_groups(self) -> dict[str, nn.Module]:
        """One group: the energy network."""
        return {"energy": cast(nn.Module, self.model.net)}

    def losses(self, batch: Batch, step: int, rng: torch.Generator) -> Iterator[tuple[str, Loss]]:
        """Contrast of data and chain ends; then the chains go back into the buffer."""
        cfg, y = self.config, batch.y if self.model.spec.conditional else None
        if self.before_update is not None:
            self.before_update(step)
        drawn = self.buffer.draw(len(batch), rng, batch=batch, y=y)
        ends = chain_ends(
            self.model, drawn, self.kernel, cfg.chain.steps, rng, self.options, init_noise=self.init_noise
        )
        x_pos, y_neg = noised_data(batch, cfg.pixels, rng), None if y is None else drawn.y
        e_pos, e_neg = energies_of_both(
            self.model.energy, x_pos, ends.x, y, y_neg, precision=self.options.precision
        )
        loss = contrastive_loss(e_pos, e_neg, cfg.loss, ends)
        if self.diagnose is not None:
            loss = loss.logging(self.diagnose(loss))
        yield "energy", loss
        self.buffer.write(drawn, ends.raw)  # the optimiser has made its step

    def samplers(self) -> dict[str, Sampler]:
        """Chains that go on from the stored ones, where a replay buffer keeps them."""
        return self.stored

    def sampling_chain(self) -> ChainSampler:
        """The chain from noise that draws samples under the latest weights."""
        return chain_sampler(self.model, self.config.sampling, self.init_noise)
