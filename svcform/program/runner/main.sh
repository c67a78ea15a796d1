case $1 in
begin) dir=$2 && begin ;;
work | guard)
	dir=$2
	exec </dev/null >>"$dir/log" 2>&1
	# The worker may have taken the place of a guard that was late.
	case $1 in work) work ;; guard) adopt ;; esac
	;;
follow) dir=$state/runs/$2 && follow ;;
confirm) dir=$state/runs/$2 && decide confirmed ;;
check) dir=$state/runs/$2 && check ;;
reject) dir=$state/runs/$2 && reason=$3 && decide rejected ;;
restore) restore "$2" ;;
status | history | undo | unlock) "$1" ;;
*) echo "usage: sh $0 status|history|undo|restore|unlock" >&2 && exit 1 ;;
esac
