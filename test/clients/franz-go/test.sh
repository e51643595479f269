# The client's version is the one of go.mod.
printf 'version\tok\t%s\n' "$(go list -m -f '{{.Version}}' github.com/twmb/franz-go | sed 's/^v//')"
go test -count=1 -v -run TestFranzGo ./franz-go
