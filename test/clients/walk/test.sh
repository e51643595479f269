# The walk of the README with kcat: a lock written, refused, read and written on.
set -u
. ./feature.sh
B=$BROKER
printf 'version\tok\t%s\n' "$(kcat -V | sed -n 's/^Version \([^ ]*\).*/\1/p')"

step() { # exit code wanted, value, kcat arguments
  local code
  kcat -P -b "$B" -t accounts "${@:3}" <<<"$2"
  code=$?
  [[ $code == "$1" ]] || { echo "exit $code, want $1"; return 1; }
  echo "exit $code"
}

check first-write step 0 100 -k 7 -H lock-write=acct:7 -H lock-basis=none
check stale-write step 1 120 -k 7 -H lock-write=acct:7 -H lock-basis=none
check write-and-read step 0 120 -k 7 -H lock-write=acct:7 -H 'lock-read=limits rates' -H lock-basis=0
check own-bases step 0 130 -k 7 -H 'lock-write=acct:7@1 acct:8@none'
check whole-partition step 1 1 -H 'lock-write=*@1'
check headers-back equal_to '0 7=100 (lock-write=acct:7,lock-basis=none)
1 7=120 (lock-write=acct:7,lock-read=limits rates,lock-basis=0)
2 7=130 (lock-write=acct:7@1 acct:8@none)' kcat -C -b "$B" -t accounts -e -q -f '%o %k=%s (%h)\n'
