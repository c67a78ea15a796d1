"""The constant sh of steps that change virtual services and their servers.  dash and busybox.

As long as nothing surprises, they read no more than what they change: a listing of all virtual
services takes longer than most changes.
"""

from __future__ import annotations

from svcform.backends.proxy.ipvs.scripts import FUNCTIONS
from svcform.lang.ipvs.listing import PLACES

#: Reads what ``ipvsadm --restore`` takes.  Where a server is leaving, is gone, or was changed by
#: somebody since the plan, that has something to say, and then what is still to be done is found
#: out.  It (1.31) goes on after an error and says so nowhere but on stderr.
CHANGE_SERVICES = (
    FUNCTIONS
    + r"""
tell() { # COMMANDS
  [ -n "$1" ] || return 0
  said=$(printf '%s\n' "$1" | ipvsadm -R 2>&1) && [ -z "$said" ]
}
todo=$(cat)
! tell "$todo" || exit 0
todo=$({
  ! has_ipvs || virtual
  echo ==
  printf '%s\n' "$todo"
} | awk '
"""
    + PLACES
    + r"""
  function where(text,   port, host) { # 10.79.0.22:8080
    port = host = text
    sub(/.*:/, "", port)
    sub(/:[^:]*$/, "", host)
    gsub(/[][]/, "", host)
    return toupper(place(host, port))
  }
  !given && $0 == "==" { given = 1; next }
  !given && $1 == "service" { there[$2 " " toupper($3)]; next }
  !given && $1 == "server" { there[$2 " " toupper($3) " " toupper($4)]; next }
  !given { next }
  {
    kind = $2 == "-f" ? "FWM" : $2 == "-t" ? "TCP" : $2 == "-u" ? "UDP" : "SCTP"
    at = kind " " (kind == "FWM" ? hex($3, 8) : where($3))
    for (i = 4; i < NF; i++) if ($i == "-r") at = at " " where($(i + 1))
    line = substr($0, 4)
    exists = at in there
    if ($1 == "-A" || $1 == "-E") print (exists ? "-E " : "-A ") line
    else if ($1 == "-a") print (exists ? "-e " : "-a ") line
    else if ($1 == "-e" && (exists || $0 !~ / -w 0$/)) print (exists ? "-e " : "-a ") line
    else if (exists) print
  }
') || exit 1
! tell "$todo" || exit 0
printf '%s\n' "$said" >&2
exit 1
"""
)

#: Removes servers that are leaving and have no connection any more, and virtual services of which
#: nothing else is left.  Reads for how many seconds to wait for that, and places of virtual
#: services of ours; none but those are looked at.
SWEEP = (
    FUNCTIONS
    + r"""
read -r wait
places=$(cat)
has_ipvs && has ipvsadm || exit 0
now() { read -r uptime rest </proc/uptime && echo "${uptime%%.*}"; }
end=$(($(now) + ${wait:-0}))
# What it says is "rest" where connections go on, and what ipvsadm and ipset have to complain of.
sweep() {
  printf '%s\n' "$places" | awk '
"""
    + PLACES
    + r"""
    function is_ours(kind, at,   host, port, set) {
      if (kind == "FWM") return at ~ /^[4-7]/
      host = endpoint(at)
      port = host
      sub(/.*:/, "", port)
      sub(/:[^:]*$/, "", host)
      set = host ~ /^\[/ ? "SVCFORM-6-VIRTUAL" : "SVCFORM-4-VIRTUAL"
      gsub(/[][]/, "", host)
      element[kind " " at] = set " " host "," tolower(kind) ":" port
      return !system("ipset -q test " element[kind " " at])
    }
    function leave(at, which, server, connections) { # a line of a listing
      if (connections) rest = 1
      else {
        print "-d " which " -r " server | tell
        kept[at]--
      }
    }
    function done(at, which) {
      if (kept[at]) return
      print "-D " which | tell
      if (at in element) forgotten = forgotten "del " element[at] "\n"
    }
    function look(at, which,   command, line, word, there) {
      command = "ipvsadm -L -n " which " 2>/dev/null"
      while ((command | getline line) > 0) {
        split(line, word, " ")
        if (word[1] ~ /^(FWM|TCP|UDP|SCTP)$/) there = 1
        if (word[1] != "->" || word[2] == "RemoteAddress:Port") continue
        kept[at]++
        if (word[4] == "0") leave(at, which, word[2], word[5] + word[6])
      }
      close(command)
      if (there) done(at, which)
    }
    function look_at_all(   line, word, at, i) {
      while ((getline line <"/proc/net/ip_vs") > 0) {
        split(line, word, " ")
        if (word[1] ~ /^(FWM|TCP|UDP|SCTP)$/) {
          at = word[1] " " word[2]
          if (at in asked) there[at]
        }
        if (word[1] != "->" || !(at in asked)) continue
        kept[at]++
        if (word[4] == "0") leave(at, asked[at], endpoint(word[2]), word[5] + word[6])
      }
      for (at in there) done(at, asked[at])
    }
    BEGIN { tell = "ipvsadm -R 2>&1" }
    is_ours($1, $2) { asked[$1 " " $2] = caught($1, $2); count++ }
    END {
      if (count <= 8) for (at in asked) look(at, asked[at])
      else look_at_all()
      close(tell)
      if (forgotten) {
        printf "%s", forgotten | "ipset -exist restore 2>&1"
        close("ipset -exist restore 2>&1")
      }
      if (rest) print "rest"
    }
  ' 2>&1
}
while :; do
  said=$(sweep)
  case $said in
  '') exit 0 ;;
  rest) [ "$(now)" -lt "$end" ] || exit 0 ;;
  *) echo "$said" >&2; exit 1 ;;
  esac
  sleep 1
done
"""
)
