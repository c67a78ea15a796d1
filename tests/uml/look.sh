# What a node is, in the words of its own tools; one line each, its kind first.
state=/var/lib/svcform
for family in ip ip6; do
	${family}tables-legacy-save | sed -n "s/ \[[0-9:]*\]\$//; /^#/d; s/^/$family /p"
done
ip route show proto 83 | sed 's/^/route /'
echo "forwards $(cat /proc/sys/net/ipv4/ip_forward)"
for file in /etc/init.d/svcform* /etc/rc?.d/*svcform* $(find $state -type f 2>/dev/null); do
	case $file in
	*\*) ;;
	$state/runs/* | $state/receipts/*) ;;
	*) echo "file $file $(sha256sum <"$file")" ;;
	esac
done | sort
for run in $state/runs/*; do
	[ ! -e "$run" ] || echo "run $(cat "$run/outcome" || echo "${run##*/}")"
done
for receipt in $state/receipts/*; do
	[ ! -e "$receipt" ] ||
		echo "receipt $(sed -n 's/^outcome	//p; $s/^detail	.*/whole/p' "$receipt" | tr '\n' ' ')"
done
[ ! -e $state/lock ] || echo "lock $(wc -c <$state/lock)"
for process in /proc/[0-9]*; do
	tr '\0' ' ' <"$process/cmdline" 2>/dev/null
	echo
done | sed -n 's/.*svcform\/r.*/process &/p'
