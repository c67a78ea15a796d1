# What the scripts share.  A server is haproxy, nginx or health, and those that a script is about are
# in $servers; a server's files are in its folder.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
etc=/etc/svcform
tab='	'

has() { command -v "$1" >/dev/null 2>&1; }
persist() { sync "$@" 2>/dev/null || sync; }
say() { printf '%s\n' "$*" >&2; }
program() { case $1 in nginx) echo nginx ;; *) echo haproxy ;; esac; }
suffix() { case $1 in nginx) echo conf ;; *) echo cfg ;; esac; }
proof_port() { case $1 in haproxy) echo 29998 ;; nginx) echo 29999 ;; *) echo 10239 ;; esac; }
unit_file() { # SERVER
	for entry in /etc/systemd/system/svcform-"$1".service /etc/init.d/svcform-"$1"; do
		[ ! -e "$entry" ] || printf '%s\n' "$entry"
	done
}

# The process that others of an instance of ours descend from; a zombie does nothing any more, and
# what runs in a container on the node is not the node's.
is_here() { # PID
	for space in pid net; do
		[ "$(readlink "/proc/$1/ns/$space")" = "$(readlink /proc/self/ns/$space)" ] || return 1
	done
}
server() { # SERVER
	# With -F busybox stops at the first NUL (1.36).
	all=" $(grep -ls "$etc/$1/$1[.]$(suffix "$1")" /proc/[0-9]*/cmdline | sed 's,^/proc/,,; s,/.*,,' | tr '\n' ' ')"
	name=$(program "$1")
	for pid in $all; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] && is_here "$pid" || continue
		parent=$(awk '$1 == "State:" && $2 ~ /[ZX]/ { exit } $1 == "PPid:" { print $2 }' "/proc/$pid/status" 2>/dev/null)
		case "$all" in *" ${parent:-$pid} "*) ;; *) printf '%s\n' "$pid" && return ;; esac
	done
}

# ---- what a server says, on the loopback, of the files that it has read
mark() { # SERVER FOLDER: of these files
	(cd "$2" && cat "$1.$(suffix "$1")" services/*."$(suffix "$1")" 2>/dev/null) | sha256sum | cut -c 1-32
}
# Of 10,000 files HAProxy reads each one slower than the one before: 5 s, of one file 0.4 s (2.6).
gather() { # SERVER FOLDER
	(
		cd "$2" || exit
		all=all.$(suffix "$1")
		set -- services/*."$(suffix "$1")"
		[ -e "$1" ] || set -- /dev/null
		cat "$@" >"$all"
	)
}
write_proof() { # SERVER FOLDER
	[ "$1" = nginx ] || gather "$1" "$2" || return 1
	port=$(proof_port "$1")
	mark=$(mark "$1" "$2")
	case $(program "$1") in
	haproxy)
		printf 'frontend proof\n    mode http\n    timeout client 5s\n    bind 127.0.0.1:%s\n' "$port"
		printf '    http-request return status 200 content-type text/plain string %s\n' "$mark"
		;;
	nginx) printf 'server {\n    listen 127.0.0.1:%s;\n    return %s;\n}\n' "$port" "$mark" ;;
	esac >"$2/proof.$(suffix "$1")"
}
ask() { # SERVER: what it says
	question=
	[ "$1" = nginx ] || question='GET / HTTP/1.0\r\n\r\n'
	if has bash; then
		timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "$2" >&3 && cat <&3' \
			ask "$(proof_port "$1")" "$question" 2>/dev/null
	elif has nc; then
		# shellcheck disable=SC2059 # the escapes are the text
		printf "$question" | timeout 2 nc -w 1 127.0.0.1 "$(proof_port "$1")" 2>/dev/null
	fi
}
is_current() { # SERVER [MARK]
	case $(ask "$1") in *"${2:-$(mark "$1" "$etc/$1")}"*) ;; *) return 1 ;; esac
}
# What the node has made of the files for a server to read: without it, none starts again.
is_gathered() { # SERVER
	[ -e "$etc/$1/proof.$(suffix "$1")" ] || return 1
	[ "$1" = nginx ] || (cd "$etc/$1" && cat services/*.cfg 2>/dev/null | cmp -s - all.cfg)
}
uptime() { cut -d . -f 1 /proc/uptime; }
# Waits until it serves what its files say; a signal may have been too early.  A busy machine with
# 10,000 Services takes half a minute to load them, and begins anew with each signal.
prove() { # SERVER
	started=$(uptime)
	wanted=$(mark "$1" "$etc/$1")
	pause=$((5 + $(ls "$etc/$1/services" 2>/dev/null | wc -l) / 200))
	again=$pause
	while ! is_current "$1" "$wanted"; do
		waited=$(($(uptime) - started))
		if [ $waited -ge $again ] && [ -n "$(server "$1")" ]; then
			act "$1" reload
			again=$((again + pause))
		fi
		if [ $waited -ge $((6 * pause)) ] || { [ $waited -ge 5 ] && [ -z "$(server "$1")" ]; }; then
			say "$1 does not serve its new configuration. $(why "$1")"
			return 1
		fi
		rest
	done
	while [ "$(workers "$1" | wc -l)" -gt 1 ]; do
		if [ $(($(uptime) - started)) -ge $((6 * pause)) ]; then
			say "$1 still serves its old configuration, too, by one of the processes" $(workers "$1").
			return 1
		fi
		rest
	done
}
# An old one takes what is new until its turn comes to hang up; the socket of the proof is its last.
workers() { # SERVER: those of its processes that take what is new
	holders "$(proof_port "$1")" | grep -vx "$(server "$1")"
}
rest() { sleep 0.1 2>/dev/null || sleep 1; }
check() { # SERVER FOLDER: what the server itself says of the files there
	case $1 in
	nginx) nginx -t -q -c "$2/nginx.conf" ;;
	*) haproxy -c -f "$2/$1.cfg" -f "$2/all.cfg" -f "$2/proof.cfg" >/dev/null ;;
	esac
}
why() { # SERVER
	check "$1" "$etc/$1" 2>&1 | tail -n 3 | tr '\n' ' '
	holders "$(proof_port "$1")" | while read -r pid; do
		say "Port $(proof_port "$1") is held by $(cat "/proc/$pid/comm" 2>/dev/null) (process $pid)."
	done
}

# ---- starting and stopping, by the init system, or without one
holders() { # PORT: the processes that listen there on the loopback
	for inode in $(awk -v end="$(printf ':%04X' "$1")" '$4 == "0A" && index($2, end) == 9 { print $10 }' /proc/net/tcp); do
		ls -l /proc/[0-9]*/fd 2>/dev/null | awk -v socket="socket:[$inode]" '
			/^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); shown = 0 }
			$NF == socket && !shown { print part[3]; shown = 1 }'
	done
}
# Workers of nginx outlive a master that was killed, and hold its sockets.
end_orphans() { # SERVER
	for pid in $(holders "$(proof_port "$1")"); do
		[ "$(cat "/proc/$pid/comm")" != "$(program "$1")" ] || kill -9 "$pid"
	done
}
launch() { # SERVER
	ulimit -n 262144 2>/dev/null || ulimit -n "$(ulimit -H -n)" 2>/dev/null
	case $1 in
	nginx) nginx -c $etc/nginx/nginx.conf ;;
	*) haproxy -W -D -q -f "$etc/$1/$1.cfg" -f "$etc/$1/all.cfg" -f "$etc/$1/proof.cfg" ;;
	esac >/dev/null </dev/null
}
stop_by_signal() { # SERVER
	pid=$(server "$1")
	[ -z "$pid" ] || kill "$pid"
	started=$(uptime)
	while [ -n "$(server "$1")" ]; do
		waited=$(($(uptime) - started))
		[ $waited -lt 20 ] || kill -9 "$(server "$1")"
		[ $waited -lt 30 ] || return 1
		rest
	done
}
# When no rule leads to a server any more: what it has may come to its end, for five seconds at most.
# HAProxy knows of that.  nginx only counts seconds, conntrack has who was not answered yet.
drain() { # SERVER
	pid=$(server "$1")
	[ -n "$pid" ] || return 0
	[ "$1" = nginx ] || kill -USR1 "$pid"
	started=$(uptime)
	while is_under_way "$1" && [ $(($(uptime) - started)) -lt 5 ]; do rest; done
}
is_under_way() { # SERVER
	[ "$1" = nginx ] || { [ -n "$(server "$1")" ] && return 0 || return 1; }
	for family in 4 6; do conntrack -L -f ipv$family -p udp 2>/dev/null; done |
		grep -qE 'UNREPLIED.* src=(169\.254\.20\.11|fd73:7663:666f:726d::11) '
}
act() { # SERVER VERB: enable disable forget start drain stop restart reload
	file=$(unit_file "$1")
	case $2 in
	enable) [ -z "$file" ] || enable_unit "$file" ;;
	disable) [ -z "$file" ] || disable_unit "$file" ;;
	forget) forget_units ;;
	start | restart)
		[ -n "$(server "$1")" ] || end_orphans "$1"
		if [ -n "$file" ]; then
			act_on_unit "$file" restart
		else
			stop_by_signal "$1" && launch "$1"
		fi || { say "$1 does not start. $(why "$1")" && return 1; }
		;;
	reload)
		if [ -n "$file" ]; then
			act_on_unit "$file" reload
		elif [ "$1" = nginx ]; then
			kill -HUP "$(server nginx)"
		else
			kill -USR2 "$(server "$1")"
		fi
		;;
	drain) drain "$1" ;;
	stop)
		[ -z "$file" ] || act_on_unit "$file" stop
		stop_by_signal "$1"
		end_orphans "$1"
		rm -f /run/svcform-"$1"-master.pid /run/svcform-"$1".sock /run/svcform-"$1"-peers.sock
		;;
	esac
}
