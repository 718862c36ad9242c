"""Kubernetes' controllers, event by event: what they do to pods, and when each observer learns of it."""

from svcsim.controlplane.plane import ControlPlane, ControlRun

__all__ = ["ControlPlane", "ControlRun"]
