"""What `--kernel.*` may set, for each kernel that the command line offers. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from .settings import HMCSettings, LangevinSettings, MALASettings, NUTSSettings, UnderdampedSettings


@dataclass(frozen=True)
class LangevinOptions:
    """Options of `--kernel langevin`."""

    step_size: float | None = None
    """s of x' = x - (s/2) grad E + sqrt(s T) xi; by default the model's own."""

    def kernel_settings(self, step_size: float, temperature: float) -> LangevinSettings:
        """Plain Langevin on E, in units of E."""
        return LangevinSettings(step_size, temperature)


@dataclass(frozen=True)
class MalaOptions:
    """Options of `--kernel mala`."""

    step_size: float | None = None
    """s, in units of x squared over E/T; by default tuned to an acceptance of .574."""

    def kernel_settings(self, step_size: float, temperature: float) -> MALASettings:
        """The chain on E whose step size on E/T is `step_size`."""
        return MALASettings(step_size / temperature, temperature)


@dataclass(frozen=True)
class HmcOptions:
    """Options of `--kernel hmc`."""

    step_size: float | None = None
    """h of a leapfrog, in units of x over the root of E/T; by default tuned to an acceptance of .65."""
    leapfrogs: int = 10
    """Leapfrog steps in one trajectory."""
    jitter: float = 0.1
    """Each chain's h is multiplied by a uniform from [1 - jitter, 1 + jitter]."""

    def kernel_settings(self, step_size: float, temperature: float) -> HMCSettings:
        """The chain on E whose step size on E/T is `step_size`."""
        return HMCSettings(step_size / temperature**0.5, self.leapfrogs, temperature, self.jitter)


@dataclass(frozen=True)
class NutsOptions:
    """Options of `--kernel nuts`."""

    step_size: float | None = None
    """h of a leapfrog, in units of x over the root of E/T; by default tuned to an acceptance of .8."""
    depth: int = 10
    """Doublings of a trajectory, at most."""

    def kernel_settings(self, step_size: float, temperature: float) -> NUTSSettings:
        """The chain on E whose step size on E/T is `step_size`."""
        return NUTSSettings(step_size / temperature**0.5, self.depth, temperature)


@dataclass(frozen=True)
class UnderdampedOptions:
    """Options of `--kernel underdamped`."""

    step_size: float | None = None
    """h, in units of x over the root of E/T; by default tuned to an acceptance of .8."""
    friction: float = 1.0
    """Per unit of time; friction times h of .05 keeps a direction for 20 steps."""
    leapfrogs: int = 1
    """Leapfrog steps between two refreshments of the velocity."""

    def kernel_settings(self, step_size: float, temperature: float) -> UnderdampedSettings:
        """The chain on E whose step size and friction on E/T are these."""
        root = temperature**0.5
        return UnderdampedSettings(
            step_size / root, self.friction * root, temperature, "obabo", True, self.leapfrogs
        )
