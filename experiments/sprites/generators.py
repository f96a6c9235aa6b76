"""Supervised generators, from conditions to an image by squared error, for comparison with sums of energies.

deconvolution   dense layers, then transposed convolutions that double the side, as Du et al. 2020 took
broadcast       the condition beside the coordinates at every pixel, then convolutions of stride 1, which
                have less to learn of places (N. Watters et al. 2019, arXiv 1901.07017)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from experiments.sprites.cells import SIDE
from gibbsian.core.random import generator, seeded_init


class Deconvolution(nn.Module):
    """Conditions `(B, D)` to images `(B, SIDE, SIDE)`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        quarter = SIDE // 4
        self.net = nn.Sequential(
            nn.Linear(size, 128), nn.SiLU(), nn.Linear(128, 64 * quarter**2), nn.SiLU(),
            nn.Unflatten(1, (64, quarter, quarter)),
            nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.SiLU(), nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(16, 1, 3, 1, 1),
        )  # fmt: skip

    def forward(self, c: Tensor) -> Tensor:
        out: Tensor = self.net(c)
        return out[:, 0]


class Broadcast(nn.Module):
    """Conditions `(B, D)` to images `(B, SIDE, SIDE)`."""

    def __init__(self, size: int, maps: int = 24) -> None:
        super().__init__()
        at = torch.linspace(-1, 1, SIDE)
        self.register_buffer("places", torch.stack(torch.meshgrid(at, at, indexing="ij"))[None])
        self.places: Tensor
        layers: list[nn.Module] = []
        for inputs in (size + 2, maps, maps):
            layers += [nn.Conv2d(inputs, maps, 3, padding=1), nn.SiLU()]
        self.net = nn.Sequential(*layers, nn.Conv2d(maps, 1, 3, padding=1))

    def forward(self, c: Tensor) -> Tensor:
        everywhere = c[:, :, None, None].expand(-1, -1, SIDE, SIDE)
        out: Tensor = self.net(torch.cat([everywhere, self.places.expand(len(c), -1, -1, -1)], 1))
        return out[:, 0]


GENERATORS = {"deconvolution": Deconvolution, "broadcast": Broadcast}


def trained(name: str, c: Tensor, images: Tensor, steps: int, seed: int = 0) -> nn.Module:
    """A generator after `steps` updates of Adam on batches of 64, at rates up to 2e-3 that fall to 0."""
    rng = generator(seed)
    with seeded_init(rng):
        model = GENERATORS[name](c.shape[1])
    opt = torch.optim.Adam(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, steps)
    for _ in range(steps):
        rows = torch.randint(len(c), (64,), generator=rng)
        loss = (model(c[rows]) - images[rows]).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        schedule.step()
    return model.eval()
