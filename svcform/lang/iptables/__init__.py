"""The language of ``iptables-save`` and ``iptables-restore``, as typed statements."""
