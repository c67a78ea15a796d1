"""The language of ``ipset save`` and ``ipset restore``, as typed statements."""
