"""Samplers of composed models: the stages of the parts side by side, each energy over its own temperature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from ..core.energy import Energy
from ..core.errors import UsageError
from ..core.position import leaves
from ..energies.algebra import Product, Tempered, shared_step
from ..energies.reference import Box
from ..mcmc.kernel import Kernel
from ..mcmc.langevin import Langevin
from ..mcmc.mala import MALA
from ..mcmc.probability_flow import ProbabilityFlow
from ..mcmc.weighted_descent import WeightedDescent
from .sampler import ChainStage, Sampler, Stages, WrappedSampler, next_stage
from .samples import run_stages

Composition = Callable[[Sequence[Energy]], Energy]
Descent = ProbabilityFlow | WeightedDescent


class OfLabel(WrappedSampler):
    """The sampler `inner`, all of whose chains have one label `(1,)` or one condition `(1, D)`."""

    def __init__(self, inner: Sampler, label: Tensor) -> None:
        super().__init__(inner)
        self.label = label

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The stages of `inner` at the label."""
        return self.inner.stages(
            n, rng, y=self.label.to(rng.device).expand(n, *self.label.shape[1:]), steps=steps
        )


class ComposedSampler(Sampler):
    """Chains through the stages of all parts at once, begun where the first part's begin: each stage moves on
    the composition of the parts' E/T (`shared_kernel`).

    Parts must have chains on data of the same shape, and as many stages each (`UsageError`).
    """

    def __init__(
        self, samplers: Sequence[Sampler], compose: Composition, clamp: tuple[float, float] | None = None
    ) -> None:
        self.samplers, self.compose, self.clamp = samplers, compose, clamp
        self.beyond_range = any(sampler.beyond_range for sampler in samplers)

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The stages."""
        made = [sampler.stages(n, rng, steps=steps) for sampler in self.samplers]
        found = [next(stages, None) for stages in made]
        while any(found):
            if not all(found):
                raise _unlike("have other numbers of stages")
            end = yield self.stage([stage for stage in found if stage])
            found = [next_stage(stages, end) for stages in made]

    def stage(self, parts: Sequence[ChainStage]) -> ChainStage:
        """One stage of all from one of each."""
        if len({leaf.shape for stage in parts for leaf in leaves(stage.position)}) > 1:
            raise _unlike("move positions of other shapes")
        if any(stage.energy_on_latents is not None for stage in parts):
            raise _unlike("move latents")
        kernel, temperatures = shared_kernel([stage.kernel for stage in parts], self.compose)
        if self.clamp and isinstance(kernel, Langevin):  # a Metropolis test stops at walls by itself
            kernel = replace(kernel, clamp=self.clamp)
        energies = [Tempered(stage.energy, t) for stage, t in zip(parts, temperatures, strict=True)]
        most = max(stage.steps for stage in parts)
        return ChainStage(self.compose(energies), kernel, most, parts[0].position, noised=parts[0].noised)


def shared_kernel(kernels: Sequence[Kernel], compose: Composition) -> tuple[Kernel, list[float]]:
    """The kernel at temperature 1 for a composition of energies over the temperatures that it returns.

    It is Langevin or MALA with the least step s T. Langevin keeps the clamp of the first; its clips add up,
    if all have one. Steps between two levels become one of the composition: the probability flow only begins
    chains well, weights or the corrections after it sample.

    Raises `UsageError` for kernels of other kinds, for steps between other levels, and without noise.
    """
    if all(isinstance(kernel, (ProbabilityFlow, WeightedDescent)) for kernel in kernels):
        return _shared_descent(cast("Sequence[Descent]", kernels), compose), [1.0] * len(kernels)
    if all(isinstance(kernel, MALA) for kernel in kernels):
        exact = cast("Sequence[MALA]", kernels)
        steps, temperatures = [k.step_size for k in exact], [k.temperature for k in exact]
        return MALA(shared_step(steps, temperatures)), temperatures
    if not all(isinstance(kernel, Langevin) for kernel in kernels):
        raise _unlike("are neither all Langevin nor all MALA chains")
    plain = cast("Sequence[Langevin]", kernels)
    steps, temperatures = [k.at(0).step_size for k in plain], [k.at(0).temperature for k in plain]
    if min(temperatures) == 0:
        raise _unlike("do not all have noise, and so a temperature")
    clips = [k.clip_value / t for k, t in zip(plain, temperatures, strict=True) if k.clip_value]
    moved = Langevin(
        shared_step(steps, temperatures),
        noise_first=plain[0].noise_first,
        clip_value=sum(clips) if len(clips) == len(plain) else None,
        clamp=plain[0].clamp,
    )
    return moved, temperatures


def _shared_descent(steps: Sequence[Descent], compose: Composition) -> Descent:
    first = steps[0]
    if any((type(s), s.sigma, s.to) != (type(first), first.sigma, first.to) for s in steps):
        raise _unlike("come down other levels of noise, or in other ways")
    return replace(first, ahead=compose([step.ahead for step in steps]))


class MixtureSampler(ComposedSampler):
    """Draws of the parts by their own samplers, as many of each as its share, then chains on the mixture.

    The chains mend what the parts' samplers miss; they hardly change the shares where the parts lie apart.
    """

    def __init__(self, samplers: Sequence[Sampler], compose: Composition, shares: Sequence[float]) -> None:
        super().__init__(samplers, compose)
        self.shares = shares

    def stages(
        self, n: int, rng: torch.Generator, *, y: Tensor | None = None, steps: int | None = None
    ) -> Stages:
        """The last stage of all, from draws of each."""
        shares = torch.tensor(self.shares, device=rng.device)
        counts = torch.multinomial(shares, n, replacement=True, generator=rng).bincount(minlength=len(shares))
        last, drawn = [], []
        for sampler, count in zip(self.samplers, counts.tolist(), strict=True):
            chains = run_stages(sampler.stages(max(count, 1), rng, steps=steps), rng)
            drawn.append(sampler.decode(chains[-1].position)[:count])
            *_, stage = _unmoved(sampler.stages(1, rng, steps=steps))
            last.append(stage)
        x = torch.cat(drawn)[torch.randperm(n, generator=rng, device=rng.device)]
        stage = self.stage([replace(stage, position=x) for stage in last])
        yield stage


def composed_sampler(
    samplers: Sequence[Sampler],
    compose: Composition,
    shares: Sequence[float] = (),
    clamp: tuple[float, float] | None = None,
) -> ComposedSampler:
    """The sampler of composed models: that of a mixture where `shares` are given."""
    return MixtureSampler(samplers, compose, shares) if shares else ComposedSampler(samplers, compose, clamp)


def walled(compose: Composition, box: tuple[float, float] | None) -> Composition:
    """The composition with walls where `box` ends, if there is one."""
    return compose if box is None else lambda energies: Product([compose(energies), Box(*box)])


def _unmoved(stages: Stages) -> Stages:
    """The stages of a sampler, none of them run."""
    stage = next(stages, None)
    while stage is not None:
        yield stage
        stage = next_stage(stages, stage.position)


def _unlike(what: str) -> UsageError:
    return UsageError(
        f"the chains of these models {what}, so that they cannot run side by side: compose models of one "
        "kind, or give a kernel, which moves on the composed -log p"
    )
