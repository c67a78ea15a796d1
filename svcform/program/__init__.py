"""Programs, and the runner that carries them out on a node."""
