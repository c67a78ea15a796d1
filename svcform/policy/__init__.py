"""All Service semantics, decided once: Workspace in, Intent out; no tool's syntax, no I/O."""
