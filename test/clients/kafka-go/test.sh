set -e
# The client's version is the one of go.mod.
. ./groups.sh
printf 'version\tok\t%s\n' "$(go list -m -f '{{.Version}}' github.com/segmentio/kafka-go | sed 's/^v//')"
go test -count=1 -v ./kafka-go
go test -c -o "$CACHE/member" ./kafka-go
group group kafka-go-group "$CACHE/member" -test.run TestMember
for f in idempotent-drops topic-made-again; do printf '%s\tskip\tthe client has no idempotent producer\n' "$f"; done
printf 'group-848\tskip\tit has no members of the consumer protocol\n'
