"""The reference engine: SimPy, one process per actor, written for reading."""

from svcsim.dataplane.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
