# What the tests in shell share: a line on standard output for each feature, and
# the words of samples.txt. Sourced.

# check NAME COMMAND...: the command's last line is the note.
check() {
  local name=$1 note
  shift
  if note=$("$@" 2>&1); then
    printf '%s\tok\t%s\n' "$name" "$(tail -n 1 <<<"$note")"
  else
    printf '%s\tFAIL\t%s\n' "$name" "$(tail -n 1 <<<"$note")"
  fi
}

equal() {
  [[ $1 == "$2" ]] || { printf 'got %q, want %q\n' "$1" "$2"; return 1; }
}

# equal_to WANT COMMAND...: the command's output.
equal_to() {
  local got
  got=$("${@:2}") && equal "$got" "$1"
}

# word prints the bytes of a column; null and empty are none.
word() {
  [[ $1 == null || $1 == empty ]] || printf "$(sed 's/../\\x&/g' <<<"$1")"
}

# size TIMES WORD is the length in bytes, -1 for null.
size() {
  case $2 in
  null) echo -1 ;;
  empty) echo 0 ;;
  *) echo $(($1 * ${#2} / 2)) ;;
  esac
}
