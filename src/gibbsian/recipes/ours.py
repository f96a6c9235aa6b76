"""Networks, chains and schedules that our own presets share; papers' own are in their recipes. Torch-free."""

from __future__ import annotations

from dataclasses import replace

from .chain import ChainConfig
from .net import NetConfig
from .train import TrainConfig

PLANE = NetConfig(name="mlp", hidden=(128, 128), activation="swish", sharpness=12.0)
"""For densities of the plane, whose detail is finer than a plain network learns soon."""
PLANE_CHAIN = ChainConfig(steps=40, step_size=0.01, noise=0.1)
"""At temperature 1."""
PLANE_LONG = replace(PLANE_CHAIN, steps=1000)
PLANE_TRAIN = TrainConfig(
    steps=1500, batch_size=256, lr=1e-3, decay=0.5, average=0.999, save_every=500, sample_every=100
)

DENSE8 = NetConfig(name="mlp", hidden=(256, 256), activation="swish")
"""For 8x8 images: at equal time dense beat convolutions, whose chain steps cost 5 to 8 times more."""
DENSE28 = replace(DENSE8, hidden=(1024, 512))
"""For 28x28 images."""
CONV = NetConfig(channels=(32, 64, 128), kernels=(5, 3), strides=(2,), pool="flatten", activation="swish")
"""For colour, and 28 to 64 pixels a side."""

CHAIN = ChainConfig(steps=20, step_size=2.0, noise=0.01, clamp=True)
"""The short-run recipe's step on the gradient."""
CHAIN28 = replace(CHAIN, step_size=6.0)
"""Three times that, for 28x28 images."""

TRAIN = TrainConfig(
    steps=2000,
    batch_size=128,
    lr=1e-3,
    warmup=100,
    decay=0.5,
    average=0.999,
    save_every=500,
    sample_every=500,
)
TRAIN28 = replace(TRAIN, log_every=20)
"""For 28x28 images."""
TRAIN_CONV = replace(TRAIN, steps=5000, batch_size=64, lr=3e-4, warmup=200)
"""For persistent chains on CONV."""
TRAIN_PAIR = TrainConfig(
    steps=15_000,
    batch_size=64,
    lr=3e-4,
    beta1=0.5,
    decay=0.3,
    average=0.999,
    log_every=20,
    save_every=2500,
    sample_every=2500,
)
"""For an energy and a generator that learn side by side on images."""

PLACE = "Ours, a place to start for images of 28 to 64 pixels a side; not tuned to any set."
