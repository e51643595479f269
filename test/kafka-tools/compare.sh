# compare.sh KAFKA OURS: differences.txt has each line that one of them has printed and the other
# has not, under the reason for it. Prints what is not there or no longer true, and exits with 1.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
diff -U0 "$1" "$2" | grep '^[-+]' | grep -vE '^(---|\+\+\+) ' | sort >"$work/found"
grep '^[-+]' differences.txt | sort >"$work/known"
steps=$(grep -c '^\$ ' "$1")
ours=$(grep -c '^\$ ' "$2")
if cmp -s "$work/found" "$work/known" && [ "$steps" = "$ours" ] && [ "$steps" -gt 0 ]; then
  echo "$(wc -l <"$work/known") lines differ, as differences.txt says"
  echo "$steps passed, 0 failed"
  exit
fi
echo "printed, and not in differences.txt:"
comm -23 "$work/found" "$work/known"
echo "in differences.txt, and not printed:"
comm -13 "$work/found" "$work/known"
echo "the differences where they are:"
diff -U2 "$1" "$2" | head -n 400
echo "0 passed, 1 failed"
exit 1
