"""Real evidence in: kube-proxy's histograms, and logs of EndpointSlice watches."""

from svcsim.observed.calibrate import Calibration, calibrate
from svcsim.observed.errors import ObservedError
from svcsim.observed.histograms import Histogram
from svcsim.observed.watchlog import Endpoint, SliceEvent, WatchLog, parse_watchlog, read_watchlog

__all__ = [
    "Calibration",
    "Endpoint",
    "Histogram",
    "ObservedError",
    "SliceEvent",
    "WatchLog",
    "calibrate",
    "parse_watchlog",
    "read_watchlog",
]
