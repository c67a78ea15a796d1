"""Kubernetes-style Services on plain Linux nodes, with no control plane and no agent."""

__version__ = "0.1.0"
