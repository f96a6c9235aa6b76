"""Images moved by a chain that begins at them: into another domain, or under another class.

chain         the chain from images                translation   from domain to domain, measured
domains       source, target, and how to tell      classes       from every class to every class
class_record  tables and pictures of classes
"""

from __future__ import annotations
