package transport

import (
	"cmp"
	"log/slog"
	"math"
	"slices"
	"time"
)

// Handler says what requests mean. Its methods are called by the reader of the
// connection, one after the other.
type Handler interface {
	// Handle answers x by x.Finish or x.HangUp, now or later and from any
	// goroutine. An error closes the connection: ErrHangUp in silence, any other
	// with a line in the log.
	Handle(x *Exchange) error
	// HandleRefused is Handle for an API that is unknown, or a version that is not
	// served; x.Refused says which.
	HandleRefused(x *Exchange) error
	// ConnectionEnded is told that no request of c comes any more, while answers
	// may still be owed. What it keeps in c.State ends here.
	ConnectionEnded(c *Conn)
}

// Limits are how requests of one API are read. The zero value suits most.
type Limits struct {
	// MemoryFactor is how many bytes a request may hold for each of its own, once
	// it is decoded and in its answer; 0: 8. A Fetch of many partitions takes three
	// times its size decoded, and its answer has as many elements. So much is
	// reserved before the rest of a large frame is read; what its shape then shows
	// to be too much is given back, and what would be more is not decoded.
	MemoryFactor int64
	// Pipelined requests are handled while others of the connection, before them,
	// wait for their answers. Of all others one has its answer unsent at a time.
	Pipelined bool
}

const defaultMemoryFactor = 8

// Options say how a SocketServer reads and writes. Zero means the default.
type Options struct {
	Handler Handler // required
	Logger  *slog.Logger
	Metrics Metrics

	// Limits are by API key; an API beyond their end has the zero value.
	Limits []Limits

	RequestBytesMax int32         // a frame; default 100 MiB as in Kafka
	MemoryBytesMax  int64         // all frames together; default 512 MiB
	IdleTimeout     time.Duration // a connection without a request is closed after it; default 10 min
	FrameTimeout    time.Duration // for the next bytes of a request that has begun to arrive; default 60 s
	WriteTimeout    time.Duration // for a client to take 1 MiB of its answers; default 60 s

	// Until a client has proven who it is, where its listener demands that:
	ProofTimeout     time.Duration // from the connection's first moment on; default 15 s
	UnprovenBytesMax int32         // a frame; default 512 KiB, Kafka's sasl.server.max.receive.size
	UnprovenConnsMax int           // such connections; others are turned away; default 1,000

	// ConnectionsMax is asked for each connection; nil: there is no limit.
	ConnectionsMax func() int
	FilesMax       int // that the process may have open, for the log alone

	// HTTPAddr is where HTTP is served, if it is, for those who speak it here; may be nil.
	HTTPAddr func() string
}

// Metrics are told what happens. Each may be nil.
type Metrics struct {
	Opened, Closed func(listener string) // a connection
	TurnedAway     func()                // a connection, because there are too many
	BadRequest     func()                // a connection was closed because of what its client sent
	Panicked       func()                // the Handler has a bug
	Answered       func(x *Exchange)     // the answer is sent, or given up
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.RequestBytesMax = cmp.Or(o.RequestBytesMax, 100<<20)
	o.MemoryBytesMax = cmp.Or(o.MemoryBytesMax, 512<<20)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 10*time.Minute)
	o.FrameTimeout = cmp.Or(o.FrameTimeout, time.Minute)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, time.Minute)
	o.ProofTimeout = cmp.Or(o.ProofTimeout, 15*time.Second)
	o.UnprovenBytesMax = min(cmp.Or(o.UnprovenBytesMax, 512<<10), o.RequestBytesMax)
	o.UnprovenConnsMax = cmp.Or(o.UnprovenConnsMax, 1000)
	if o.ConnectionsMax == nil {
		o.ConnectionsMax = func() int { return math.MaxInt }
	}
	o.Limits = slices.Clone(o.Limits)
	for i := range o.Limits {
		o.Limits[i] = o.Limits[i].withDefaults()
	}
	o.Metrics = o.Metrics.withDefaults()
	return o
}

func (m Metrics) withDefaults() Metrics {
	for _, f := range []*func(){&m.TurnedAway, &m.BadRequest, &m.Panicked} {
		if *f == nil {
			*f = func() {}
		}
	}
	for _, f := range []*func(string){&m.Opened, &m.Closed} {
		if *f == nil {
			*f = func(string) {}
		}
	}
	if m.Answered == nil {
		m.Answered = func(*Exchange) {}
	}
	return m
}

func (l Limits) withDefaults() Limits {
	l.MemoryFactor = cmp.Or(l.MemoryFactor, defaultMemoryFactor)
	return l
}

// limits are those of an API.
func (o *Options) limits(key int16) Limits {
	if key >= 0 && int(key) < len(o.Limits) {
		return o.Limits[key]
	}
	return Limits{}.withDefaults()
}

// LimitsOf makes Options.Limits of what is known by key.
func LimitsOf(byKey map[int16]Limits) []Limits {
	var all []Limits
	for key, l := range byKey {
		for len(all) <= int(key) {
			all = append(all, Limits{})
		}
		all[key] = l
	}
	return all
}
