# Over 100 MB of text through every codec and back, by kcat and by franz-go: the
# sources of the Go toolchain, a record a line, its key the file and the line.
set -u
. ./feature.sh
corpus=$CACHE/corpus
# Lines over half a megabyte are left out: kcat reads none over one.
(cd "$(go env GOROOT)" && find src test -type f \( -name '*.go' -o -name '*.[sch]' -o -name '*.txt' -o -name '*.md' \) | LC_ALL=C sort |
  LC_ALL=C xargs awk -v OFS='\t' 'length($0) < 500000 { print FILENAME ":" FNR, $0 }') >"$corpus"
want=$(sha256sum <"$corpus")
echo "$(wc -l <"$corpus") lines, $(wc -c <"$corpus") bytes" >&2
[[ $(wc -c <"$corpus") -gt 100000000 ]] || printf 'size\tFAIL\tthe corpus is too small\n'

through_kcat() {
  kcat -P -b "$BROKER" -p 0 -t "corpus-kcat-$1" -z "$1" -K $'\t' -l "$corpus" &&
    equal "$(kcat -C -b "$BROKER" -p 0 -t "corpus-kcat-$1" -o beginning -e -q -f '%k\t%s\n' | sha256sum)" "$want"
}

for name in none gzip snappy lz4 zstd; do
  check "kcat-$name" through_kcat "$name"
done
CORPUS=$corpus go test -count=1 -v -run TestACorpusComesBackTheSame ./franz-go
rm -f "$corpus"
