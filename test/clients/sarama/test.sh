set -e
# The client's version is the one of go.mod.
. ./drops.sh
. ./groups.sh
printf 'version\tok\t%s\n' "$(go list -m -f '{{.Version}}' github.com/IBM/sarama | sed 's/^v//')"
go test -count=1 -v ./sarama
go test -c -o "$CACHE/member" ./sarama
drops -note "one request in flight, the most it allows" sarama-drops "$CACHE/member" -test.run TestDrops
made_again -note "one request in flight, the most it allows" sarama-again "$CACHE/member" -test.run TestDrops
group group sarama-group "$CACHE/member" -test.run TestMember
printf 'group-848\tskip\tit has no members of the consumer protocol\n'
