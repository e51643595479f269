# What every client has written in this run, read by franz-go.
go test -count=1 -v ./crossread
