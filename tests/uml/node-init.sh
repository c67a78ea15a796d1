#!/bin/sh
# The init of a node whose writable part is a disk: /etc, /var and the homes.
# On its disk only what was synced survives a power cut, as far as ext4 allows that to be: no
# writeback by the clock, no commits by the clock, no flush for a file that replaces another.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
mount -t proc proc /proc
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
mount -t sysfs sys /sys
grep -q ' /dev devtmpfs' /proc/mounts || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 pts /dev/pts
mount -t tmpfs run /run
mkdir -p /run/lock /run/sshd /run/host
mount -t tmpfs tmp /tmp
mount -t hostfs -o "$SHARED" none /run/host
PATH=/run/host/programs:$PATH
mount -t ext4 -o noauto_da_alloc,commit=3600 /dev/ubda /mnt
for folder in etc var root home; do mount --bind /mnt/$folder /$folder; done
hostname "$(cat /etc/hostname)"
modprobe ipv6
ip link set lo up
start() { # LEVEL: what svcform has there; the rest of this machine's is none of the node's
	for script in /etc/rc"$1".d/S*svcform*; do
		[ ! -x "$script" ] || "$script" start
	done
}
start S
ip address add "$ADDRESS" dev vec0
ip link set vec0 up
start 2
/usr/sbin/sshd -E /var/log/sshd.log
echo "node is up"
while :; do sleep 3600; done
