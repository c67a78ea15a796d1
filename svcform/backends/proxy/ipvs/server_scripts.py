"""The constant sh of steps that change virtual services and their servers.  dash and busybox.

As long as nothing surprises, they read no more than what they change, and start no process but
ipvsadm: a listing of all virtual services takes longer than most changes, and so do some processes.
"""

from __future__ import annotations

from svcform.backends.proxy.ipvs.scripts import FUNCTIONS
from svcform.lang.ipvs.listing import PLACES

#: Functions of awk: what a line for ``ipvsadm --restore`` is about, in the words of a listing.
_SUBJECTS = r"""
  function where(text,   port, host) { # 10.79.0.22:8080
    port = host = text
    sub(/.*:/, "", port)
    sub(/:[^:]*$/, "", host)
    gsub(/[][]/, "", host)
    return toupper(place(host, port))
  }
  function subject(flag, at) { # FWM 40001000, TCP 0A60000A:0050
    if (flag == "-f") return "FWM " hex(at, 8)
    return (flag == "-t" ? "TCP " : flag == "-u" ? "UDP " : "SCTP ") where(at)
  }
"""

#: ``take``: what is to be done, from the standard input; what is short costs no process.
#: ``change COMMANDS``: has ipvsadm carry them out.  Where a server is leaving, is gone, or was
#: changed by somebody since the plan, that has something to say, and then what is still to be done
#: is found out.  It (1.31) goes on after an error and says so nowhere but on stderr.
_CHANGE = (
    r"""
nl='
'
take() {
  given= is_long=
  for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    IFS= read -r line || return 0
    given=$given$line$nl
  done
  given=$given$(cat)$nl is_long=1
}
tell() { # COMMANDS
  said=$(ipvsadm -R 2>&1 <<COMMANDS
$1
COMMANDS
  )
}
change() {
  [ -n "$1" ] || return 0
  tell "$1" && [ -z "$said" ] && return 0
  left=$({
    ! has_ipvs || virtual
    printf '==\n%s\n' "$1"
  } | awk '
"""
    + PLACES
    + _SUBJECTS
    + r"""
    !given && $0 == "==" { given = 1; next }
    !given && $1 == "service" { there[$2 " " toupper($3)]; next }
    !given && $1 == "server" { there[$2 " " toupper($3) " " toupper($4)]; next }
    !given || NF == 0 { next }
    {
      at = subject($2, $3)
      for (i = 4; i < NF; i++) if ($i == "-r") at = at " " where($(i + 1))
      line = substr($0, 4)
      exists = at in there
      if ($1 == "-A" || $1 == "-E") print (exists ? "-E " : "-A ") line
      else if ($1 == "-a") print (exists ? "-e " : "-a ") line
      else if ($1 == "-e" && (exists || $0 !~ / -w 0$/)) print (exists ? "-e " : "-a ") line
      else if (exists) print
    }
  ') || return 1
  [ -n "$left" ] || return 0
  tell "$left" && [ -z "$said" ] && return 0
  printf '%s\n' "$said" >&2
  return 1
}
"""
)

#: Reads what ``ipvsadm --restore`` takes.
CHANGE_SERVICES = FUNCTIONS + _CHANGE + 'take\nchange "$given"\n'

#: Reads for how many seconds to wait for connections; commands that leave servers no new ones; and
#: ``-L -n …`` for virtual services of ours, of which servers at weight 0 without a connection are
#: removed, and so is what has no server then.  ipvsadm does all but that in one go.
LEAVE = (
    FUNCTIONS
    + _CHANGE
    + r"""
look() { [ -z "$is_long" ] && tell "$given" && sort_out; }
look_at_all() {
  said=$({
    printf '%s==\n' "$given"
    cat /proc/net/ip_vs
  } | awk '
"""
    + PLACES
    + _SUBJECTS
    + r"""
    !listing && $0 == "==" { listing = 1; next }
    !listing { if ($1 == "-L") asked[subject($3, $4)]; next }
    $1 ~ /^(FWM|TCP|UDP|SCTP)$/ {
      is_asked = ($1 " " toupper($2)) in asked
      stays = 0
      if (!is_asked) next
      if ($1 != "FWM") print $1, endpoint($2)
      else print $1, sprintf("%.0f", number($2)) (caught($1, $2) ~ /-6$/ ? " IPv6" : "")
    }
    $1 == "->" && is_asked && ($4 == 0 || !stays++) { print $1, endpoint($2), $3, $4, $5, $6 }
  ') && sort_out
}
# Sets what can go, and whether connections go on, by what ipvsadm lists; fails if it says more.
sort_out() {
  gone= forgotten= go_on= name=
  before=$IFS
  IFS=$nl
  set -f
  for line in $said; do
    IFS=$before
    set -- $line
    case $1,$4,$5,$6 in
    FWM,* | TCP,* | UDP,* | SCTP,*) leave && enter "$@" ;;
    Prot,* | '->,Weight,'*) ;;
    '->,0,0,0') idle="$idle-d $name -r $2$nl" ;;
    '->,0,'*) stays=1 goes_on=1 ;;
    '->,'*) stays=1 ;;
    *) return 1 ;;
    esac
  done
  IFS=$before
  leave
}
enter() { # PROTOCOL ADDRESS, or FWM MARK VERSION: a virtual service
  stays= goes_on= idle= element= port=${2##*:}
  case $1 in
  TCP) name="-t $2" element=tcp:$port ;;
  UDP) name="-u $2" element=udp:$port ;;
  SCTP) name="--sctp-service $2" element=sctp:$port ;;
  *) name="-f $2" && [ "$3" != IPv6 ] || name="$name -6" ;;
  esac
  case $1,$2 in
  FWM,*) ;;
  *,*]:*) host=${2%]:*} && element="SVCFORM-6-VIRTUAL ${host#?},$element" ;;
  *) element="SVCFORM-4-VIRTUAL ${2%:*},$element" ;;
  esac
}
leave() { # what enter has come to
  [ -n "$name" ] || return 0
  [ -n "$stays" ] || idle="$idle-D $name$nl"
  [ -n "$idle$goes_on" ] || return 0
  [ -z "$element" ] || ipset -q test $element || return 0
  gone=$gone$idle
  go_on=$go_on$goes_on
  [ -n "$stays" ] || forgotten=$forgotten${element:+del $element$nl}
}
now() { read -r now rest </proc/uptime && now=${now%%.*}; }
read -r wait
take
has_ipvs && has ipvsadm || exit 0
now
end=$((now + wait))
look || {
  change "$(printf '%s' "$given" | grep -v '^-L ')" && look_at_all || exit 1
}
clear() {
  change "$gone" && { [ -z "$forgotten" ] || printf '%s' "$forgotten" | ipset -exist restore; }
}
while now && [ -n "$go_on" ] && [ "$now" -lt "$end" ]; do
  clear || exit 1
  sleep 1
  given=$(printf '%s' "$given" | grep '^-L ')$nl
  look || look_at_all || exit 1
done
[ -z "$forgotten" ] || { clear && exit || exit 1; }
# The last line changes nothing, and says that all is well: what is gone by now may be gone.
[ -z "$gone" ] || exec ipvsadm -R <<COMMANDS
$gone--set 0 0 0
COMMANDS
"""
)
