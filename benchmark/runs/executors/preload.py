"""Imported once by the fork server, so that no run waits for imports. Nothing here may start CUDA or threads."""

import cleanlab.count
import scipy.stats
import sklearn.metrics
import sklearn.model_selection
import timm
import torch
import torchvision

import benchmark.runs.worker

__all__ = ["benchmark", "cleanlab", "scipy", "sklearn", "timm", "torch", "torchvision"]
