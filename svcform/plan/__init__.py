"""Snapshots, their difference, and the plan file; no I/O but of bytes."""
