package client

import (
	"fmt"
	"time"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// Option changes a default of New.
type Option func(*options)

type options struct {
	codec          record.Codec
	codecName      string
	batchBytes     int
	linger         time.Duration
	inFlight       int
	buffered       int
	requestTimeout time.Duration
	plain          bool
	judged         bool // of a plain client
}

const (
	batchBytesDefault     = 1_000_000 // below Kafka's default of max.message.bytes
	inFlightMax           = 5         // as many batches as a broker remembers of a producer
	bufferedDefault       = 10_000
	requestTimeoutDefault = 10 * time.Second
)

// Compression of batches: none (the default), gzip, snappy, lz4 or zstd.
func Compression(name string) Option { return func(o *options) { o.codecName = name } }

// BatchBytes bounds a batch before compression; 1,000,000 by default. A single
// append may be larger.
func BatchBytes(n int) Option { return func(o *options) { o.batchBytes = n } }

// Linger is how long an append waits for company when nothing of its partition
// is in flight; 0 by default. While something is in flight appends gather
// anyway, so that a loaded partition needs no linger.
func Linger(d time.Duration) Option { return func(o *options) { o.linger = d } }

// InFlight bounds the requests in flight to a partition: 1 to 5, the default.
func InFlight(n int) Option { return func(o *options) { o.inFlight = n } }

// Buffered bounds the appends that the client holds, waiting or in flight;
// 10,000 by default. Beyond, Append waits. One whose caller has left counts until
// its outcome is known, or until it would have been sent.
func Buffered(n int) Option { return func(o *options) { o.buffered = n } }

// RequestTimeout is how long a broker may take to commit a batch before the
// batch is sent again; 10 s by default.
func RequestTimeout(d time.Duration) Option { return func(o *options) { o.requestTimeout = d } }

// Plain has each append sent as a plain producer would send it: in a batch of its
// own, without asking for a verdict, and without looking for mistakes in its lock
// headers, which the broker finds and words. A refusal or a repeat then leaves no trace
// in the log, and a topic that holds copies (conflict.policy=carry) stores the append. A
// Result does not say whether it is Repeated.
func Plain() Option { return func(o *options) { o.plain = true } }

// Judged is for a client that is Plain: a topic that holds copies is to refuse its
// appends with lock headers, as it refuses those of any other client.
func Judged() Option { return func(o *options) { o.judged = true } }

var codecs = map[string]record.Codec{
	"": record.CodecNone, "none": record.CodecNone, "gzip": record.CodecGzip,
	"snappy": record.CodecSnappy, "lz4": record.CodecLz4, "zstd": record.CodecZstd,
}

func newOptions(opts []Option) (options, error) {
	o := options{batchBytes: batchBytesDefault, inFlight: inFlightMax, buffered: bufferedDefault,
		requestTimeout: requestTimeoutDefault}
	for _, opt := range opts {
		opt(&o)
	}
	codec, ok := codecs[o.codecName]
	o.codec = codec
	switch {
	case !ok:
		return o, fmt.Errorf("compression %q is unknown; there are none, gzip, snappy, lz4 and zstd", o.codecName)
	case o.inFlight < 1 || o.inFlight > inFlightMax:
		return o, fmt.Errorf("%d requests in flight; 1 to %d are possible", o.inFlight, inFlightMax)
	case o.batchBytes < 1 || o.buffered < 1 || o.linger < 0 || o.requestTimeout <= 0:
		return o, fmt.Errorf("batch bytes %d, buffered %d and request timeout %v must be above 0, linger %v not below",
			o.batchBytes, o.buffered, o.requestTimeout, o.linger)
	}
	return o, nil
}
