"""What the settings of papers with a training chain say alike. Torch-free."""

from __future__ import annotations

from ..mcmc.settings import ChainConfig
from ..starts.settings import StartConfig


class ChainSettings:
    """The base of settings with a training chain, where it starts, and perhaps another chain for samples."""

    chain: ChainConfig
    sample: ChainConfig | None
    start: StartConfig

    @property
    def claims_density(self) -> bool:
        """Whether the training chains sample exp(-E/T), so that E/T is to be -log p(x) + const."""
        return self.chain.samples_density and self.start.lasting

    @property
    def sampling(self) -> ChainConfig:
        """The chain that draws samples."""
        return self.sample or self.chain
