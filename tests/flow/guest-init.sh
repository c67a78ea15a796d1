#!/bin/sh
# The init of a guest under test: an agent makes a node of it as the arena says.
export PATH="/run/programs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export HOME=/root LC_ALL=C
mount -t proc proc /proc
mount -t sysfs sys /sys
grep -q ' /dev devtmpfs' /proc/mounts || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 pts /dev/pts
mount -t tmpfs run /run
mkdir -p /run/lock
modprobe ipv6
# The agent's own link, in a network namespace of its own: the node has one link and no more.
touch /run/control
unshare --net=/run/control true
ip link set vec1 netns /run/control
nsenter --net=/run/control ip address add "$OWN/30" dev vec1
nsenter --net=/run/control ip link set vec1 up
cd "$CODE" || exit
nsenter --net=/run/control "$PYTHON" -S -E -m tests.flow.agent "$AGENT" "$PORT" &
wait $! # and collects whoever ends without a parent
