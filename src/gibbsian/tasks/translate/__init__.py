"""One-sided image translation: a chain of the target's energy that begins at an image of another domain."""

from __future__ import annotations
