set -e
# The client's version is the one of go.mod.
. ./drops.sh
. ./groups.sh
printf 'version\tok\t%s\n' "$(go list -m -f '{{.Version}}' github.com/twmb/franz-go | sed 's/^v//')"
go test -count=1 -v -run TestFranzGo ./franz-go
go test -c -o "$CACHE/member" ./franz-go
drops franz-go-drops "$CACHE/member" -test.run TestDrops
made_again -note "once the application has told it to forget the topic (PurgeTopicsFromProducing); until then it fails all records" franz-go-again "$CACHE/member" -test.run TestDrops
group group franz-go-group "$CACHE/member" -test.run TestMember classic
group group-848 franz-go-group-848 "$CACHE/member" -test.run TestMember consumer
