module github.com/lockstep-log/lockstep/client

go 1.26.0

require github.com/lockstep-log/lockstep/protocol v0.0.0-00010101000000-000000000000

replace github.com/lockstep-log/lockstep/protocol => ../protocol

require (
	github.com/twmb/franz-go v1.22.2
	github.com/twmb/franz-go/pkg/kmsg v1.15.0
	pgregory.net/rapid v1.3.0
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/pierrec/lz4/v4 v4.1.33 // indirect
)
