# table.sh RESULTS: docs/compatibility.md from lines of name, version, feature,
# result, note, and from traps.md. Nothing in it differs between two runs with the same outcome.
awk -F '\t' '
function cell(name, feature) {
  if ((name, feature) in result) return result[name, feature] == "skip" ? "–" : result[name, feature]
  return (name, "setup") in result ? "not run" : "–"
}
function row(first, feature,   i) {
  printf "| %s |", first
  for (i = 1; i <= clients; i++) printf " %s |", cell(client[i], feature)
  print ""
}
function head(first,   i) {
  printf "| %s |", first
  for (i = 1; i <= clients; i++) printf " %s |", client[i]
  printf "\n| --- |"
  for (i = 1; i <= clients; i++) printf " --- |"
  print ""
}
function lines(name, title,   i, n, part) {
  if (!(name in of)) return
  printf "\n## %s\n\n", title
  n = split(of[name], part, "\t")
  for (i = 2; i <= n; i++) printf "- %s: %s%s\n", part[i], result[name, part[i]], note[name, part[i]] == "" ? "" : ", " note[name, part[i]]
}
function readback(title,   i, n, part, writer, all, good) {
  if (!("crossread" in of)) return
  printf "\n## %s\n\n", title
  print "| client | topics | as they should be |\n| --- | --- | --- |"
  n = split(of["crossread"], part, "\t")
  for (i = 2; i <= n; i++) {
    writer = part[i]
    sub(/-(codec-.*|idempotent|locks)$/, "", writer)
    all[writer]++
    if (result["crossread", part[i]] == "ok") good[writer]++
  }
  for (i = 1; i <= clients; i++) if (client[i] in all) printf "| %s | %d | %d |\n", client[i], all[client[i]], good[client[i]]
}
{
  if (!($1 in of)) names[++n] = $1
  of[$1] = of[$1] "\t" $3
  if ($2 != "-") version[$1] = $2
  result[$1, $3] = $4
  note[$1, $3] = $5
  seen[$3] = 1
}
END {
  split("walk corpus crossread examples", other, " ")
  for (i in other) apart[other[i]] = 1
  for (i = 1; i <= n; i++) if (!(names[i] in apart)) client[++clients] = names[i]
  features = split("codec-none codec-gzip codec-snappy codec-lz4 codec-zstd recompressed acks-0 acks-1 acks-all idempotent idempotent-drops topic-made-again from-beginning from-offset from-timestamp create list delete offenders group group-848 conflict after-conflict conflict-in-flight malformed lock-acks-1 append-once", feature, " ")

  print "# Compatibility\n"
  print "Stock clients against one broker on its defaults, as `make test-clients` last found them; it writes this page."
  print "`test/clients/README.md` says what each feature asks for. A dash is what a client cannot do, or cannot do yet, with the reason below.\n"
  head("feature")
  printf "| version |"
  for (i = 1; i <= clients; i++) printf " %s |", client[i] in version ? version[client[i]] : "–"
  print ""
  for (f = 1; f <= features; f++) row(feature[f], feature[f])

  print "\n## What a refused producer sees\n"
  print "| client | conflict | malformed | locks with acks=1 | afterwards |\n| --- | --- | --- | --- | --- |"
  for (i = 1; i <= clients; i++) {
    c = client[i]
    if (!((c, "setup") in result)) printf "| %s | %s | %s | %s | %s |\n", c, note[c, "conflict"], note[c, "malformed"], note[c, "lock-acks-1"], cell(c, "after-conflict") (note[c, "after-conflict"] == "" ? "" : ", " note[c, "after-conflict"])
  }

  while ((getline line < "traps.md") > 0) print line
  print "\n## Notes\n"
  for (i = 1; i <= clients; i++) {
    c = client[i]
    if ((c, "setup") in result) { printf "- %s: %s\n", c, note[c, "setup"]; continue }
    if ((c, "finish") in result) printf "- %s: %s\n", c, note[c, "finish"]
    last = ""
    for (f = 1; f <= features; f++) {
      if (feature[f] ~ /^(conflict|malformed|lock-acks-1|after-conflict)$/ && result[c, feature[f]] != "FAIL") continue
      text = note[c, feature[f]]
      if (text != "" && text != last) printf "- %s, %s: %s\n", c, (feature[f] ~ /^codec/ && result[c, feature[f]] == "ok") ? "codecs" : feature[f], text
      last = text
    }
  }
  lines("walk", "The walk with kcat " version["walk"])
  lines("corpus", "A corpus of text through each codec and back, SHA-256 equal")
  lines("examples", "The bank of examples/, in all languages at once on one topic")
  readback("What each client wrote, read by franz-go")
}' "$1"
