"""The contexts in which a system's chains run; they live beside the networks, in `nets.frozen`."""

from ..nets.frozen import evaluating, frozen

__all__ = ["evaluating", "frozen"]
