"""The fast engine: compiled loops over arrays, held to the reference bit for bit."""

from svcsim.dataplane.vectorised.engine import VectorisedEngine

__all__ = ["VectorisedEngine"]
