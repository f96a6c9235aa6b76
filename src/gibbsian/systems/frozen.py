"""The contexts in which a system's chains run: see `nets.frozen`."""

from ..nets.frozen import evaluating, frozen

__all__ = ["evaluating", "frozen"]
