# compare.sh KAFKA OURS: differences.txt has each line that one of them has printed and the other
# has not, under the reason for it. Prints what is not there or no longer true, and exits with 1.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
diff -U0 "$1" "$2" | grep '^[-+]' | grep -vE '^(---|\+\+\+) ' | sort >"$work/found"
grep '^[-+]' differences.txt | sort >"$work/known"
comm -23 "$work/found" "$work/known" >"$work/unlisted"
comm -13 "$work/found" "$work/known" >"$work/unseen"
steps=$(grep -c '^\$ ' "$1")
ours=$(grep -c '^\$ ' "$2")
if cmp -s "$work/found" "$work/known" && [ "$steps" = "$ours" ] && [ "$steps" -gt 0 ]; then
  echo "$(wc -l <"$work/known") lines differ, as differences.txt says"
  echo "$steps passed, 0 failed"
  exit
fi

# by_step prints each unlisted line under the step that it belongs to, and nothing else: a log is often cut.
by_step() {
  diff -U "$(wc -l <"$1")" "$1" "$2" | awk '
    NR == FNR { unlisted[$0]; next }
    /^.\$ / { step = substr($0, 2) }
    $0 in unlisted { if (step != "") print step; step = ""; print }' "$work/unlisted" -
}
echo "printed, and not in differences.txt:"
by_step "$1" "$2"
echo "in differences.txt, and not printed:"
cat "$work/unseen"
[ "$steps" = "$ours" ] || echo "$steps steps against Kafka, and $ours against ours"
echo "0 passed, 1 failed"
exit 1
