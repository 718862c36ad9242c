"""The seam between the planes: what was true of each server, and what each observer believed."""

from svcsim.timeline.histories import Histories, Timeline

__all__ = ["Histories", "Timeline"]
