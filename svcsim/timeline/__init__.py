"""The seam between the planes: what was true of each server, and what each observer believed."""

from svcsim.timeline.histories import Histories, Timeline
from svcsim.timeline.recording import PodTurn, RecordedEndpoint, Recording, SliceWrite

__all__ = ["Histories", "PodTurn", "RecordedEndpoint", "Recording", "SliceWrite", "Timeline"]
