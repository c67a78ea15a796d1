"""What the user described: frozen values, no I/O."""
