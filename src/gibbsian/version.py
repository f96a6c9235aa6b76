"""The version of the library, its one place: packaging reads it here, and everything that is saved says
it.
"""

__version__ = "0.1.0"
