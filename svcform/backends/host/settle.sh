# Makes host settings so, or no longer so; one a line on standard input: verb, key, value.
state=${SVCFORM_STATE:-/var/lib/svcform}
record=$state/host/record
tab='	'
mkdir -p "$state/host" && touch "$record" || exit 1

noted() { grep -qs "^$1$tab$2$tab" "$record"; }
note() { # KIND KEY EXTRA WAS
	noted "$1" "$2" || printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$record"
}
was() { awk -F "$tab" -v kind="$1" -v key="$2" '$1 == kind && $2 == key { print $4 }' "$record"; }
forget() {
	left=$(awk -F "$tab" -v kind="$1" -v key="$2" '!($1 == kind && $2 == key)' "$record") &&
		keep "$record.new" "$left" && mv "$record.new" "$record"
}
loaded() { grep -qs "^$1 " /proc/modules || [ -d "/sys/module/$1" ]; }
has_option() { # MODULE [NAME=VALUE]
	[ -z "$2" ] || [ "$(cat "/sys/module/$1/parameters/${2%%=*}" 2>/dev/null)" = "${2#*=}" ]
}
family() { printf %s "${1%% *}" | tail -c 1; }

text=
while IFS=$tab read -r verb key value; do
	case $verb in
	load)
		# A rehearsal loads what its rules need, without the options: it is loaded anew if it can be.
		if loaded "$key" && { has_option "$key" "$value" || ! modprobe -r -q "$key" 2>/dev/null; }; then
			note module "$key" "${value:--}" loaded
		else
			# shellcheck disable=SC2086 # options are words
			note module "$key" "${value:--}" gone && modprobe "$key" $value || exit 1
		fi
		;;
	unload)
		before=$(was module "$key")
		forget module "$key" || exit 1
		[ "$before" != gone ] || modprobe -r -q "$key" 2>/dev/null
		;;
	set)
		before=$(cat "/proc/sys/$key") && note sysctl "$key" - "$before" &&
			printf '%s\n' "$value" >"/proc/sys/$key" || exit 1
		;;
	unset)
		before=$(was sysctl "$key")
		# Others came to need forwarding since: it stays on.
		[ "$key" = net/ipv4/ip_forward ] || ! noted sysctl "$key" || [ ! -e "/proc/sys/$key" ] ||
			printf '%s\n' "$before" >"/proc/sys/$key" || exit 1
		forget sysctl "$key" || exit 1
		;;
	route)
		n=$(family "$key")
		ip -"$n" route del "${key#* }" dev lo proto 83 2>/dev/null
		note route "$key" - -
		ip -"$n" route add "${key#* }" dev lo src "$value" proto 83 || exit 1
		;;
	unroute)
		ip -"$(family "$key")" route del "${key#* }" dev lo proto 83 || exit 1
		forget route "$key" || exit 1
		;;
	address) note address "$key" - - && give_address "$key" || exit 1 ;;
	noaddress) take_address "$key" && forget address "$key" || exit 1 ;;
	line) text="$text${value#|}
" ;;
	unit)
		printf %s "$text" >"$key.new" && chmod "$value" "$key.new" && bring_unit "$key" || exit 1
		text=
		;;
	nounit) drop_unit "$key" || exit 1 ;;
	*) exit 64 ;;
	esac
done
[ -s "$record" ] || rm -rf "$state/host"
[ ! -e "$record" ] || sync "$record" 2>/dev/null || sync
exit 0
