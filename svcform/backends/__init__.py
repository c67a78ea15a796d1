"""Backends: each translates an Intent for one subsystem of a node, and decides nothing else."""
