"""The language of ``ipvsadm --save`` and ``--restore``, and of ``/proc/net/ip_vs``."""
