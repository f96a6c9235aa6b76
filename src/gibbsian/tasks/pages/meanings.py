"""Measures and diagnostics in words, for people who read a page and not the documentation."""

from __future__ import annotations

from collections.abc import Mapping

from ...metrics.interval import Interval
from ..chains import CHAINS

MEANINGS = {
    "feature_distance": "Fréchet distance in the named features; lower is better, training data is the floor",
    "normalised": "that distance, 0 for training data and 1 for noise",
    "confidence": "mean probability of the likeliest class",
    "class_entropy": "entropy of the classes of samples, nats",
    "classes": "classes that are found among samples",
    "precision": "share of samples among the data; higher is better",
    "recall": "share of the data among samples; higher is better",
    "asked_class": "share taken for the class that was asked for",
    "nn_ratio": "distance to the nearest training row over that of held-out rows; far below 1 is copying",
    "near_copies": "share nearer to a training row than half of what is usual for held-out ones",
    "diversity": "distance to the nearest other sample over that among held-out rows; 1 is usual",
    "pixel_distance": "Fréchet distance in main directions of pixels",
    "kl_forward": "KL(density || samples) on a grid, nats; lower is better",
    "kl_reverse": "KL(samples || density) on a grid, nats; lower is better",
    "sliced_w2": "sliced Wasserstein distance to held-out rows; lower is better",
    "mmd2": "squared maximum mean discrepancy; 0 is best, below by chance",
    "fid": "Fréchet distance in Inception features, of verified weights; lower is better",
    "inception_score": "how sure, and how many, the answers of Inception are; higher is better",
    "kid": "kernel distance in the same features, unbiased; 0 is best, below by chance",
    "density": "held-out neighbourhoods that a sample lies in, over what is usual; 1 is usual",
    "coverage": "share of held-out rows with a sample in their neighbourhood; higher is better",
    "c2st": "share that a classifier tells from held-out data rightly; .5 is best",
    "mode_recall": "share of the modes that are found; higher is better",
    "mode_quality": "share of samples near a mode; higher is better",
}
"""What a measure is, in a line; others stand under their names alone."""
CONVERGED, NEARLY = 1.01, 1.1
"""R-hat below which chains count as converged, and as nearly so (Vehtari et al. 2021)."""


def chains_in_words(chains: Mapping[str, Interval | float]) -> list[str]:
    """What the diagnostics of `CHAINS` chains from noise say, a sentence each; the numbers stand in them."""
    known = {k: v.estimate if isinstance(v, Interval) else v for k, v in chains.items()}
    told = []
    if "steps" in known:
        told.append(f"{CHAINS} chains from noise were looked at, of {known['steps']:,.0f} steps.")
    if (rhat := known.get("energy_rhat")) is not None:
        told.append(_mixing(rhat, known.get("energy_ess")))
    time, mixed = known.get("energy_autocorrelation"), known.get("energy_rhat", NEARLY) < NEARLY
    if time is not None and mixed:
        told.append(
            f"In their second half one draw in {time:,.0f} steps is worth an independent one, by energy."
        )
    if (switches := known.get("switches")) is not None:
        told.append(
            f"A chain goes to another class or mode {switches:.2g} times in 100 steps."
            if switches
            else "No chain leaves the class or mode that it came to."
        )
    if (accepted := known.get("acceptance")) is not None:
        usual = "as it should be" if 0.4 <= accepted <= 0.95 else "outside .4 to .95: change the step size"
        told.append(f"{accepted:.0%} of the proposals are accepted, {usual}.")
    if (ratio := known.get("drift_noise")) is not None:
        told.append(_balance(ratio))
    if clipped := known.get("clipped"):
        told.append(f"{clipped:.0%} of the gradients are clipped.")
    if saturated := known.get("saturated"):
        told.append(f"{saturated:.1%} of the values lie at the ends of the range.")
    if divergent := known.get("divergent"):
        told.append(f"{divergent:.1%} of the chains met a number that is not finite.")
    elif "divergent" in known:
        told.append("No chain met a number that is not finite.")
    return told


def _mixing(rhat: float, size: float | None) -> str:
    worth = f", as {size:,.0f} independent draws" if size is not None else ""
    if rhat < CONVERGED:
        return f"The energies of the chains agree (split R-hat {rhat:.3f}{worth}): they have converged in it."
    if rhat < NEARLY:
        return f"The energies of the chains nearly agree (split R-hat {rhat:.3f}{worth})."
    return (
        f"The energies of the chains do not agree (split R-hat {rhat:.2f}{worth}): what is drawn is where "
        "chains of this length end, not exp(-E/T)."
    )


def _balance(ratio: float) -> str:
    if ratio > 10:
        return f"The drift is {ratio:.3g} times the noise: chains descend the energy rather than sample it."
    if ratio < 0.1:
        return f"The drift is {ratio:.2g} of the noise: chains wander."
    return f"The drift is {ratio:.2g} times the noise."
