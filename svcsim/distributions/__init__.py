"""Distributions of durations in seconds: moments, quantiles, draws and their written form.

``families`` has the parametric ones, ``compound`` those made of data or of other distributions, ``spec``
reads the written form. A new distribution enters ``REGISTRY``; the registry test does the rest.
"""

from svcsim.distributions.base import Distribution
from svcsim.distributions.compound import Empirical, Mixture, Shifted
from svcsim.distributions.families import Constant, Exponential, Gamma, LogNormal, Uniform
from svcsim.distributions.spec import REGISTRY, from_spec

__all__ = [
    "REGISTRY",
    "Constant",
    "Distribution",
    "Empirical",
    "Exponential",
    "Gamma",
    "LogNormal",
    "Mixture",
    "Shifted",
    "Uniform",
    "from_spec",
]
