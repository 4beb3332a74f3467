"""Imported once by the fork server, so that no run waits for it. Nothing here may start CUDA or threads."""

import cleanlab.count
import scipy.stats
import sklearn.metrics
import sklearn.model_selection
import timm
import torch
import torchvision

import benchmark.runs.worker
from benchmark.registry import ALL
from benchmark.store import schema

for registry in ALL:
    registry.entries()  # reads the files of all plugins
schema.adapter()  # compiles the definition of a record

__all__ = ["benchmark", "cleanlab", "scipy", "sklearn", "timm", "torch", "torchvision"]
