"""The tiny runs that every contract reads, as plain data: a paper joins by one line in CASES.

CASES are trained, sampled, saved and loaded by the contracts; RESUME are interrupted and resumed; FAULTS are
damaged and killed. `golden/fingerprint.py` records all of them. A case is its paper, its data and the
changes of the paper's default configuration, by dotted names.
"""

from __future__ import annotations

from typing import Any

Case = tuple[str, str, dict[str, Any]]

TINY = {"steps": 8, "batch_size": 16, "lr": 1e-3, "log_every": 1, "save_every": 4, "sample_every": 0}
ROWS = 128  # of a data set, which all of these see

CONV_NET = {"net.name": "conv", "net.channels": [4, 8]}
CONV = {**CONV_NET, "chain.steps": 3, "start.capacity": 64}
MLP = {"net.name": "mlp", "net.hidden": [16, 16], "chain.steps": 3, "start.capacity": 64}
LABELS = {**CONV, "net.classes": 10}
NOISE = {"start.kind": "noise"}
VAEBM = {
    **{"net.name": "mlp", "net.hidden": [16, 16], "vae.hidden": [16, 12], "vae.conditional": 8},
    **{"vae.steps": 1, "chain.steps": 3, "buffer.capacity": 64, "buffer.anneal": 2},
}


def without_hidden(changes: dict[str, Any]) -> dict[str, Any]:
    """The same for another family of networks than the mlp, which alone has hidden layers."""
    return {k: v for k, v in changes.items() if k != "net.hidden"}


GEBM = {
    "net.name": "mlp",
    "net.hidden": [16, 16],
    "generator.latent": 3,
    "generator.hidden": [8],
    "energy_first": 0,
    "energy_steps": 1,
    "latent.steps": 3,
}

DRL = {"net.name": "mlp", "net.hidden": [16, 16], "ladder.steps": 2}
MATCHING = {
    **{"net.name": "mlp", "net.hidden": [16, 16], "flow.updates": 2, "flow.time": 0.1},
    **{"contrast.steps": 2, "contrast.weight": 1.0},
}
ICD = {
    **{"net.name": "mlp", "net.hidden": [16, 16], "chain.steps": 3, "chain.step_size": 0.5},
    **{"start.capacity": 32},
}
CFEBM = {"net.hidden": [8], "chain.steps": 2, "stages.fade": [2], "stages.hold": [0]}

PAIR = {
    **{"net.name": "mlp", "net.hidden": [16, 16], "generator.latent": 3, "generator.hidden": [8]},
    **{"chain.steps": 3},
}

SCORES = {"net.name": "mlp", "net.hidden": [16, 16], "chain.steps": 3}
SNL = {"chain.steps": 3, "proposal.lead": 1, "proposal.ratio": 2}
SNL_MLP = {"net.name": "mlp", "net.hidden": [16, 16]}
NCE = {**SCORES, "noise.updates": 1, "noise.ratio": 2, "flow.hidden": [8], "flow.blocks": 2}
# name of the case -> (system, data, changes of its default configuration)
CASES: dict[str, Case] = {
    "igebm": ("igebm", "digits", CONV),
    "igebm-points": ("igebm", "toy:ring", {**MLP, "net.spectral_norm": True}),
    "igebm-labels": ("igebm", "digits", LABELS),
    "igebm-labels-batch": ("igebm", "digits", {**LABELS, "start.labels": "batch", "start.uint8": True}),
    "igebm-resnet": (
        "igebm",
        "digits",
        {**CONV, "net.name": "igebm", "net.strides": [1, 2], "net.dropout": 0.2},
    ),
    "igebm-noise": ("igebm", "digits", {**CONV, **NOISE}),
    "igebm-fixed": ("igebm", "digits", {**CONV, "start.kind": "fixed", "chain.noise_end": 0.0}),
    "igebm-data": ("igebm", "toy:ring", {**MLP, "start.kind": "data"}),
    "igebm-ensemble": ("igebm", "toy:ring", {**MLP, "ensemble.members": 2, "ensemble.every": 2}),
    "jem": ("jem", "digits", {**CONV, "loss.w_xy": 0.5, "augment.shift": 1, "pixels.dequantize": True}),
    "jem-few": ("jem", "digits", {**CONV, "labelled": 2, "loss.ancestral": True}),
    "jem-plain": ("jem", "digits", {**CONV, "loss.w_x": 0.0, "net.dropout": 0.2}),
    "jem-wide": ("jem", "digits", {**CONV, "net.name": "wide", "net.pool": "mean", "loss.smoothed": True}),
    "jem-points": ("jem", "toy:ring", {**MLP, "net.classes": 8, "loss.w_y": 0.0, "start.kind": "data"}),
    "generative_convnet": ("generative_convnet", "digits", CONV),
    "generative_convnet-reference": ("generative_convnet", "digits", {**CONV, "reference_sigma": 0.5}),
    "generative_convnet-data": ("generative_convnet", "toy:ring", {**MLP, "start.kind": "data"}),
    "generative_convnet-cold": (
        "generative_convnet",
        "toy:ring",
        {**MLP, **NOISE, "start.noise": "gaussian"},
    ),
    "short_run": ("short_run", "digits", {**CONV, **NOISE}),
    "short_run-labels": ("short_run", "digits", {**LABELS, **NOISE, "loss.link": "softplus"}),
    "short_run-points": (
        "short_run",
        "toy:ring",
        {**MLP, **NOISE, "chain.clamp": True, "loss.objective": "softplus"},
    ),
    "cebm": ("cebm", "digits", CONV),
    "cebm-mixture": ("cebm", "digits", {**CONV, "prior": "mixture", "components": 3, "learn_prior": True}),
    "cebm-points": ("cebm", "toy:ring", {**MLP, "latent": 2, "prior": "mixture", "net.spectral_norm": True}),
    "vaebm": ("vaebm", "digits", {**VAEBM, "vae.name": "conv", "vae.channels": [4, 6], "vae.noise": "pixel"}),
    "vaebm-groups": ("vaebm", "digits", {**VAEBM, "vae.groups": [3, 2, 2], "potential": "released"}),
    "vaebm-beta-tc": ("vaebm", "digits", {**VAEBM, "vae.kind": "beta_tc", "negatives": "mean"}),
    "vaebm-factor": ("vaebm", "digits", {**VAEBM, "vae.kind": "factor", "vae.critic_hidden": [8]}),
    "vaebm-xz": ("vaebm", "digits", {**VAEBM, "energy_on": "xz", "chain.kernel": "kinetic"}),
    "vaebm-points": ("vaebm", "toy:ring", {**VAEBM, "output": "sample", "vae.groups": [2]}),
    "gebm": ("gebm", "digits", {**GEBM, "generator.norm": "batch", "generator.output": "tanh"}),
    "gebm-conv": (
        "gebm",
        "digits",
        {**without_hidden(GEBM), **CONV_NET, "generator.name": "conv", "generator.channels": [4]},
    ),
    "gebm-flow": ("gebm", "toy:ring", {**GEBM, "generator.name": "flow", "base": "likelihood"}),
    "gebm-frozen": ("gebm", "toy:ring", {**GEBM, "base": "frozen"}),
    "gebm-gan": ("gebm", "toy:ring", {**GEBM, "divergence": "jensen_shannon", "latent.kernel": "kinetic"}),
    "coopnets": ("coopnets", "digits", {**PAIR, "generator.norm": "batch", "generator.output": "tanh"}),
    "coopnets-conv": (
        "coopnets",
        "digits",
        {
            **without_hidden(PAIR),
            **CONV_NET,
            "generator.name": "conv",
            "generator.channels": [4],
            "noisy_start": True,
        },
    ),
    "coopnets-points": ("coopnets", "toy:ring", {**PAIR, "infer_steps": 2, "reference_sigma": 2.0}),
    "acd": ("acd", "digits", {**PAIR, "generator.output": "tanh", "penalty_on": "between", "refine": True}),
    "acd-game": ("acd", "digits", {**PAIR, "generator.norm": "batch", "entropy_weight": 0.0, "refine": True}),
    "acd-points": ("acd", "toy:ring", {**PAIR, "penalty": 0.0, "refine": True, "output": "mean"}),
    "drl": ("drl", "digits", {**CONV_NET, "ladder.steps": 2, "ladder.levels": 3}),
    "drl-levels": (
        "drl",
        "digits",
        {"net.name": "levels", "net.channels": [4, 4, 6], "net.strides": [1, 2], "ladder.steps": 1},
    ),
    "drl-points": ("drl", "toy:ring", {**DRL, "net.spectral_norm": True}),
    "energy_matching": (
        "energy_matching",
        "digits",
        {
            **without_hidden(MATCHING),
            **CONV_NET,
            "net.activation": "swish",
            "contrast.clamp": True,
            "contrast.floor": 0.02,
        },
    ),
    "energy_matching-points": (
        "energy_matching",
        "toy:ring",
        {**MATCHING, "flow.sampler": "langevin", "contrast.trim": 0.1, "contrast.data_chains": "ramp"},
    ),
    "icd": (
        "icd",
        "digits",
        {**without_hidden(ICD), **CONV_NET, "augment.crop": 0.5, "augment.flip": 0.5, "mix": 1},
    ),
    "icd-scales": (
        "icd",
        "digits",
        {**without_hidden(ICD), **CONV_NET, "scales": 2, "net.spectral_norm": True},
    ),
    "icd-points": ("icd", "toy:ring", {**ICD, "through": "all", "kl_rows": 5, "chain.clamp": False}),
    "icd-plain": ("icd", "toy:ring", {**ICD, "kl_weight": 0.0, "entropy_weight": 0.0}),
    "cfebm": ("cfebm", "digits", CFEBM),
    "cfebm-conv": ("cfebm", "digits", {**CFEBM, "family": "conv", "width": 2, "stages.shares": [1.0, 0.5]}),
    "cfebm-one-size": (
        "cfebm",
        "digits",
        {**CFEBM, "stages.count": 1, "chain.clamp": True, "chain.noise_end": 0.01, "loss.link": "softplus"},
    ),
    "score_matching": (
        "score_matching",
        "digits",
        {**without_hidden(SCORES), **CONV_NET, "matching.levels": 3, "jump": True, "pixels.dequantize": True},
    ),
    "score_matching-points": ("score_matching", "toy:ring", {**SCORES, "jump": True}),
    "score_matching-told": (
        "score_matching",
        "digits",
        {"net.name": "autoencoder", "net.channels": [4, 6], "net.middle": 8, "matching.levels": 3}
        | {"matching.told": True, "matching.spread": 0.5, "chain.steps": 3},
    ),
    "score_matching-sliced": ("score_matching", "toy:ring", {**SCORES, "matching.method": "sliced"}),
    "score_matching-exact": ("score_matching", "digits", {**SCORES, "matching.method": "exact"}),
    "score_matching-differences": (
        "score_matching",
        "digits",
        {**SCORES, "matching.method": "finite_difference", "matching.probe": "sphere", "chain.clamp": True},
    ),
    "noise_energy": (
        "noise_energy",
        "digits",
        {"net.width": 8, "net.blocks": 1, "leading": 5, "sampling.steps": 2, "sampling.corrections": 1},
    ),
    "noise_energy-points": (
        "noise_energy",
        "toy:ring",
        {"net.name": "mlp", "net.hidden": [8], "net.activation": "swish", "sampling.steps": 2, "jump": False},
    ),
    "snl": ("snl", "digits", {**SNL, **CONV_NET}),
    "snl-points": ("snl", "toy:ring", {**SNL, **SNL_MLP}),
    "snl-plain": ("snl", "toy:ring", {**SNL, **SNL_MLP, "proposal_is_base": False, "proposal.updates": 2}),
    "nce": ("nce", "digits", {**without_hidden(NCE), **CONV_NET, "noise_is_base": True}),
    "nce-points": ("nce", "toy:ring", NCE),
    "nce-uniform": (
        "nce",
        "toy:ring",
        {**NCE, "noise.distribution": "uniform", "noise.widen": 1.0, "objective": "ranking"},
    ),
    "nce-flow": (
        "nce",
        "toy:ring",
        {
            **NCE,
            "noise.distribution": "flow",
            "noise.updates": 0,
            "noise_is_base": True,
            "chain.kernel": "langevin",
        },
    ),
    "nce-conditional": ("nce", "toy:ring", {**NCE, "objective": "conditional"}),
}

# -- runs that are interrupted and resumed -------------------------------------------------------------

RESUME_CONV = {"net.name": "conv", "net.channels": [4, 8], "chain.steps": 2, "start.capacity": 48}
RESUME_MLP = {"net.name": "mlp", "net.hidden": [16], "chain.steps": 2, "start.capacity": 48}
RESUME_TRAIN = {
    "train.average": 0.9,
    "train.decay": 0.5,
    "train.warmup": 2,
    "train.flip": True,
    "train.save_every": 3,
}
RESUME_VAEBM = {
    **{"net.name": "mlp", "net.hidden": [8], "vae.hidden": [16], "vae.groups": [3, 2], "vae.conditional": 8},
    **{"vae.steps": 4, "chain.steps": 2, "buffer.capacity": 64, "buffer.anneal": 2, "train.accumulate": 2},
}
RESUME_GEBM = {
    **{"net.name": "mlp", "net.hidden": [8], "net.spectral_norm": True, "generator.latent": 3},
    **{
        "generator.hidden": [8],
        "generator.norm": "batch",
        "energy_first": 2,
        "energy_steps": 2,
        "freeze_base_at": 5,
    },
}
RESUME_MATCHING = {
    **{"net.name": "mlp", "net.hidden": [8], "flow.updates": 4, "flow.time": 0.1},
    **{"contrast.steps": 2, "contrast.weight": 0.5, "train.accumulate": 2},
}
RESUME_ICD = {
    **{"net.channels": [4, 8], "net.spectral_norm": True, "net.dropout": 0.2, "chain.steps": 2, "scales": 2},
    **{"chain.step_size": 2.0, "start.capacity": 40, "augment.crop": 0.5, "augment.blur": 0.5},
    "train.accumulate": 2,
}
RESUME_CFEBM = {
    **{"family": "conv", "width": 1, "chain.steps": 2, "stages.fade": [4], "stages.hold": [0]},
    "train.accumulate": 2,
}
RESUME_PAIR = {
    **{"net.name": "mlp", "net.hidden": [8], "net.spectral_norm": True, "chain.steps": 2},
    **{"generator.latent": 3, "generator.hidden": [8]},
}
RESUME_SCORES = {"net.name": "mlp", "net.hidden": [8], "chain.steps": 2}
RESUME_NCE = {**RESUME_SCORES, "noise.updates": 3, "flow.hidden": [8], "flow.blocks": 2}
RESUME: dict[str, Case] = {
    "igebm-labels": (
        "igebm",
        "digits",
        {**RESUME_CONV, "net.classes": 10, "net.dropout": 0.2, "start.uint8": True},
    ),
    "igebm-spectral": ("igebm", "digits", {**RESUME_CONV, "net.name": "igebm", "net.strides": [1, 2]}),
    "igebm-ensemble": ("igebm", "toy:ring", {**RESUME_MLP, "ensemble.members": 2, "ensemble.every": 2}),
    "igebm-fixed": ("igebm", "toy:ring", {**RESUME_MLP, "start.kind": "fixed", "train.clip_moments": True}),
    "jem": ("jem", "digits", {**RESUME_CONV, "labelled": 2, "loss.w_xy": 0.5, "augment.shift": 1}),
    "jem-points": ("jem", "toy:ring", {**RESUME_MLP, "net.classes": 8, "train.accumulate": 2}),
    "generative_convnet": ("generative_convnet", "toy:ring", {**RESUME_MLP, "reference_sigma": 2.0}),
    "short_run": ("short_run", "digits", {**RESUME_CONV, "start.kind": "noise", "train.accumulate": 2}),
    "vaebm": ("vaebm", "digits", RESUME_VAEBM),
    "cebm": ("cebm", "digits", {**RESUME_CONV, "prior": "mixture", "components": 3, "learn_prior": True}),
    "gebm": ("gebm", "digits", RESUME_GEBM),
    "coopnets": ("coopnets", "digits", {**RESUME_PAIR, "generator.norm": "batch", "infer_steps": 1}),
    "acd": ("acd", "toy:ring", {**RESUME_PAIR, "energy_steps": 2, "train.accumulate": 2}),
    "drl": (
        "drl",
        "digits",
        {"net.name": "mlp", "net.hidden": [8], "ladder.steps": 2, "train.accumulate": 2},
    ),
    "energy_matching": ("energy_matching", "digits", RESUME_MATCHING),
    "icd": ("icd", "digits", RESUME_ICD),
    "cfebm": ("cfebm", "digits", RESUME_CFEBM),
    "score_matching": (
        "score_matching",
        "digits",
        {**RESUME_SCORES, "matching.levels": 3, "train.accumulate": 2},
    ),
    "score_matching-sliced": ("score_matching", "toy:ring", {**RESUME_SCORES, "matching.method": "sliced"}),
    "noise_energy": (
        "noise_energy",
        "digits",
        {"net.width": 8, "net.blocks": 1, "sampling.steps": 2, "train.accumulate": 2},
    ),
    "snl": ("snl", "toy:ring", {**SNL, **SNL_MLP, "train.accumulate": 2}),
    "nce": (
        "nce",
        "digits",
        {**RESUME_NCE, "noise_is_base": True, "noise.ridge": 0.1, "train.accumulate": 2},
    ),
    "nce-flow": ("nce", "toy:ring", {**RESUME_NCE, "noise.distribution": "flow"}),
}

# -- runs that are damaged and killed ------------------------------------------------------------------

SMALL = {"net.name": "mlp", "net.hidden": [8], "chain.steps": 1, "start.capacity": 32}
KILLED = {
    **{"net.name": "mlp", "net.hidden": [16], "chain.steps": 2, "start.capacity": 2000},
    "chain.clamp": False,
}
KILLED_TRAIN = {"train.save_every": 5, "train.average": 0.99, "train.keep": 2}
FAULTS: dict[str, Case] = {
    "small": ("igebm", "toy:ring", SMALL),
    "killed": ("igebm", "toy:ring", {**KILLED, **KILLED_TRAIN}),
}


def resumed(name: str) -> Case:
    """A case of RESUME with the training that it is interrupted in."""
    system, data, changes = RESUME[name]
    return system, data, {**changes, **RESUME_TRAIN, "train.flip": data == "digits"}
