# svcform's reading of a node.  Constant, POSIX sh, and it changes nothing.
# Standard input: a nonce (hexadecimal) and "gzip" or "plain", each on a line of its own.
# Standard output: a header, then each section between two lines that begin with the nonce.
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
state=${SVCFORM_STATE:-/var/lib/svcform}
IFS= read -r nonce
IFS= read -r form
case $nonce in '' | *[!0-9a-f]*) exit 64 ;; esac
[ "$(id -u)" = 0 ] || {
	echo "only root can read packet filter rules, and this is $(id -un 2>/dev/null || id -u)" >&2
	exit 77
}

newline='
'
has() { command -v "$1" >/dev/null 2>&1; }

# Fd 4 is the answer; what goes to stderr ends in $note.  There are forty of these on each node: a
# section costs one process, and those of its own.
section() {
	printf '%s begin %s\n' "$nonce" "$1"
	SVCFORM_SECTION=$1 # its commands show it to whoever looks what hangs
	export SVCFORM_SECTION
	note=$("$2" 2>&1 >&4 </dev/null)
	code=$?
	[ -z "$note" ] || note=$(printf '%s' "$note" | tail -c 600 | tr '\n' ' ')
	printf '\n%s end %s %s\n' "$nonce" "$code" "$note"
}

fact_host() {
	read -r name </proc/sys/kernel/hostname
	printf 'hostname=%s\n' "$name"
	printf 'machine_id=%s\n' "$(cat /etc/machine-id 2>/dev/null || cat /var/lib/dbus/machine-id 2>/dev/null)"
	read -r boot_id </proc/sys/kernel/random/boot_id
	read -r release </proc/sys/kernel/osrelease
	printf 'boot_id=%s\nkernel=%s\n' "$boot_id" "$release"
	printf 'architecture=%s\n' "$(uname -m)"
}

fact_os_release() {
	cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null || exit 90
}

fact_tools() {
	for tool in iptables ip6tables iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy \
		nft conntrack; do
		has $tool || continue
		version=$($tool --version 2>/dev/null)
		# Its first line.
		printf '%s\t%s\n' $tool "${version%%"$newline"*}"
	done
	# "ipset version" and "ipvsadm --version" talk to the kernel, which loads their modules.
	for tool in ip ipset ipvsadm modprobe sysctl logger setsid systemd-run gzip sha256sum; do
		has $tool && printf '%s\t%s\n' $tool present
	done
	exit 0
}

fact_sysctls() {
	cd /proc/sys || exit 1
	# The shell's own "read" takes a byte at a time, and a sysctl gives no more than the first.
	grep -s . net/ipv4/ip_forward net/ipv4/conf/all/route_localnet net/ipv6/conf/all/forwarding \
		net/ipv6/conf/all/disable_ipv6 net/ipv6/conf/*/accept_ra \
		net/ipv4/conf/*/src_valid_mark \
		net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables \
		net/netfilter/nf_conntrack_tcp_be_liberal net/netfilter/nf_conntrack_max \
		net/ipv4/ip_local_port_range net/ipv4/ip_local_reserved_ports |
		sed 's/:\([^:]*\)$/	\1/'
	exit 0
}

fact_addresses() {
	has ip || exit 91
	ip -o addr show
}

fact_routes() {
	has ip || exit 91
	four=$(ip -4 route show table main) || exit 1
	[ -z "$four" ] || printf '%s\n' "$four" | with_protocols IPv4
	ip -6 route show table main 2>/dev/null | with_protocols IPv6
	exit 0
}
# Busybox's ip shows no protocols (1.36).  The host's record tells which routes are svcform's (83),
# and RTF_ADDRCONF with RTF_DEFAULT (Linux, ipv6_route.h) which a router has advertised.
with_protocols() { # IPv4 or IPv6
	awk -v family="$1" -v record="$state/host/record" '
		BEGIN {
			while ((getline line <record) > 0) {
				split(line, field, "\t")
				if (field[1] == "route") recorded[field[2]]
			}
			while (family == "IPv6" && (getline line <"/proc/net/ipv6_route") > 0) {
				n = split(line, field, " +")
				if (field[2] == "00" && substr(field[9], 4, 1) ~ /[57df]/) advertised[field[n]]
			}
		}
		{
			protocol = device = ""
			for (i = 2; i < NF; i++) if ($i == "dev") device = $(i + 1)
			if (device == "lo" && (family " " $1) in recorded) protocol = " proto 83"
			if ($1 == "default" && device in advertised) protocol = " proto ra"
			if (/ proto /) protocol = ""
			sub(/ *$/, "")
			print family " " $0 protocol
		}'
}

# Asking for a route sends nothing.
fact_default_source() {
	has ip || exit 91
	printf '4 %s\n' "$(ip -4 route get 1.1.1.1 2>/dev/null | head -n 1)"
	printf '6 %s\n' "$(ip -6 route get 2606:4700:4700::1111 2>/dev/null | head -n 1)"
}

fact_bridges() {
	has ip || exit 91
	ip -o link show type bridge 2>/dev/null && exit 0
	for path in /sys/class/net/*/bridge; do
		[ -d "$path" ] && path=${path%/bridge} && printf '0: %s:\n' "${path##*/}"
	done
	exit 0
}

fact_modules() {
	cut -d ' ' -f 1 /proc/modules 2>/dev/null
	built_in=/lib/modules/$(uname -r)/modules.builtin
	for module in br_netfilter xt_recent nf_conntrack nf_tables ip_set ip_vs dummy; do
		if [ -d /sys/module/$module ] || grep -qs "/$module\\.ko" "$built_in"; then
			printf '%s\n' $module
		elif has modprobe && modprobe -n -q $module 2>/dev/null; then
			printf 'loadable %s\n' $module
		fi
	done
	# Of IPVS all that there is, in one go.
	sed -n 's,^[^:]*/\(ip_vs_[a-z]*\)\.ko.*,\1,p' "$built_in" 2>/dev/null
	sed -n 's,^[^:]*/\(ip_vs_[a-z]*\)\.ko[^:]*:.*,loadable \1,p' "${built_in%builtin}dep" 2>/dev/null
	path=/sys/module/xt_recent/parameters/ip_list_tot
	[ -r $path ] && printf 'parameter xt_recent.ip_list_tot %s\n' "$(cat $path)"
	exit 0
}

# What starts services, and whether it can be told of more: a folder of a read-only mount can't be
# written, whoever asks; and busybox takes root to be allowed everything.
fact_init() {
	if [ "$state" != /var/lib/svcform ]; then
		init=none folder=/nowhere # services know only that one
	elif [ -d /run/systemd/system ] && has systemctl; then
		init=systemd folder=/etc/systemd/system
	elif [ -d /run/openrc ] && has rc-update; then
		init=openrc folder=/etc/init.d
	elif [ -d /etc/init.d ] && { has update-rc.d || has chkconfig; }; then
		init=sysv folder=/etc/init.d
	else
		init=none folder=/nowhere
	fi
	printf 'init %s\n' $init
	folder=$(cd -P "$folder" 2>/dev/null && pwd -P) || exit 0
	[ -w "$folder" ] && awk -v folder="$folder/" '
		{ mount = $2 "/"; sub("//", "/", mount) }
		index(folder, mount) == 1 && length(mount) >= best { best = length(mount); options = $4 }
		END { exit "," options "," ~ ",ro," }' /proc/mounts && echo writable yes
	exit 0
}

fact_units() {
	[ -d /run/systemd/system ] && has systemctl || exit 90
	for unit in firewalld ufw nftables netfilter-persistent iptables ip6tables docker; do
		systemctl -q is-active $unit 2>/dev/null || continue
		printf '%s\n' $unit
		disrupts $unit && printf 'disrupts %s\n' $unit
	done
	exit 0
}

# Whether a restart of a unit, as it is configured, flushes rules that aren't its own.
disrupts() {
	case $1 in
	nftables | iptables | ip6tables) true ;;
	netfilter-persistent) ! grep -qs '^IPTABLES_RESTORE_NOFLUSH=.*yes' /etc/default/$1 ;;
	ufw) grep -qs '^MANAGE_BUILTINS=.*yes' /etc/default/ufw ;;
	firewalld)
		# Before 2.0 it flushes what it doesn't use, too.
		grep -qs '^FirewallBackend=iptables' /etc/firewalld/firewalld.conf ||
			grep -Eqs '<(rule|passthrough|chain) ' /etc/firewalld/direct.xml ||
			! busctl --timeout=5 --auto-start=no get-property org.fedoraproject.FirewallD1 \
				/org/fedoraproject/FirewallD1 org.fedoraproject.FirewallD1 version 2>/dev/null |
			grep -q '"[2-9]\.'
		;;
	*) false ;;
	esac
}

# Sudo drops SSH_CONNECTION: the processes above this one still have it.
fact_ssh() {
	pid=$$
	while [ "${pid:-0}" -gt 1 ]; do
		peer=$(tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | sed -n 's/^SSH_CONNECTION=//p')
		[ -n "$peer" ] && printf 'connection %s\n' "$peer" && break
		read -r stat <"/proc/$pid/stat" || break
		stat=${stat##*) }
		stat=${stat#? }
		pid=${stat%% *}
	done 2>/dev/null
	has ss && ss -H -ltnp 2>/dev/null | awk '/"sshd"/ { print "listen " $4 }'
	exit 0
}

stored() {
	[ -e "$state/$1" ] || exit 90
	cat "$state/$1"
}
state_project() { stored project; }
state_layout() { stored layout; }
state_services() { stored services.tsv; }
# The oldest first, each with its number before it.
state_receipts() {
	set -- "$state"/receipts/[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]
	[ -e "$1" ] || exit 90
	awk 'FNR == 1 { n = FILENAME; sub(/.*\//, "", n); print "number\t" n } { print }' "$@"
}

# A lock is alive while its boot is, and one of the processes that it names.
state_lock() {
	[ -e "$state/lock" ] || exit 90
	cat "$state/lock" || exit 90
	phase=$state/runs/$(sed -n 's/^run	//p' "$state/lock")/phase
	[ ! -s "$phase" ] || printf 'phase\t%s\n' "$(cat "$phase")"
	[ "$(sed -n 's/^boot	//p' "$state/lock")" = "$(cat /proc/sys/kernel/random/boot_id)" ] || exit 0
	sed -n 's/^process	//p' "$state/lock" | while read -r pid start; do
		now=$(sed -n 's/.*) \([^ZX] .*\)/\1/p' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)
		[ -n "$now" ] && [ "$now" = "$start" ] && printf 'alive\t1\n'
	done
	exit 0
}

# A play's lock is alive while its boot and its lease are; see play_lock.sh.
state_play_lock() {
	[ -e "$state/play.lock" ] || exit 90
	cat "$state/play.lock" || exit 90
	[ "$(sed -n 's/^boot	//p' "$state/play.lock")" = "$(cat /proc/sys/kernel/random/boot_id)" ] || exit 0
	end=$(cat "$state/play.lease.$(sed -n 's/^run	//p' "$state/play.lock")" 2>/dev/null)
	[ "$(cut -d . -f 1 /proc/uptime)" -ge "${end:-0}" ] || printf 'alive\t1\n'
	exit 0
}

facts() {
	section fact.host fact_host
	section fact.os-release fact_os_release
	section fact.tools fact_tools
	section fact.sysctls fact_sysctls
	section fact.addresses fact_addresses
	section fact.routes fact_routes
	section fact.default-source fact_default_source
	section fact.bridges fact_bridges
	section fact.modules fact_modules
	section fact.init fact_init
	section fact.units fact_units
	section fact.ssh fact_ssh
	section state.project state_project
	section state.layout state_layout
	section state.services state_services
	section state.receipts state_receipts
	section state.lock state_lock
	section state.play-lock state_play_lock
}

finish() { printf '%s done\n' "$nonce"; }
