package etcd

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// etcdLog passes etcd's warnings and errors on to slog. What etcd says at
// Close about its own listeners and streams going away is normal and is
// dropped, and so are warnings about choices that this package makes for it.
//
// The rest is said once a minute of each kind, which a message is: a member that
// hears nothing of another one says so many times a second. What any failover
// brings is no warning.
type etcdLog struct {
	out     *slog.Logger
	now     func() time.Time
	closing atomic.Bool

	mu struct {
		sync.Mutex
		said map[string]*saidKind
	}
}

// saidKind is when a kind was said last, and how often it was not since.
type saidKind struct {
	at      time.Time
	leftOut int
}

const (
	etcdSaysEvery = time.Minute
	// etcdKindsMax bounds the kinds that are remembered; there are some dozens.
	etcdKindsMax = 256
)

func newEtcdLog(out *slog.Logger) *etcdLog {
	l := &etcdLog{out: out, now: time.Now}
	l.mu.said = make(map[string]*saidKind)
	return l
}

// zap makes the logger that etcd is given.
func (l *etcdLog) zap() *zap.Logger { return zap.New(&etcdCore{log: l}) }

// expected are parts of warnings that say nothing is wrong.
var expected = []string{
	"Running http and grpc server on single port",
	"simple token is not cryptographically signed",
	// A new member has no storage version until its first commit, and then finds it.
	"Failed to detect schema version",
	"failed to update storage version",
	// An election timer may run out before the member list is read; it runs again.
	"since there are still pending configuration changes to apply",
}

// routine are parts of warnings that a broker's death or a lost connection brings,
// which this package's users hear of otherwise.
var routine = []string{
	"lost TCP streaming connection",
	"closed TCP streaming connection",
	// What whenHealthy waits for.
	"rejecting member",
	// A member that has been added, and starts.
	"failed to find remote peer in cluster",
	"failed to unmarshal response",
	"peer became inactive",
	"prober detected unhealthy status",
	"failed to reach the peer URL",
	"failed to get version",
	"ignored out-of-date read index response",
	"timed out waiting for read index response",
	// A lease that lapses, or that two brokers revoke.
	leaseIsGone,
	"failed to revoke lease",
	"Ignore the lease revoking request",
	"Failed to check current member's leadership",
}

// leaseIsGone is the kind of a request that etcd refused because its lease has ended.
const leaseIsGone = "failed to apply request: lease not found"

// kindOf is what a line says, whatever of whom.
func kindOf(message string, values map[string]any) string {
	if err, ok := values["error"].(string); ok && message+": "+err == leaseIsGone {
		return leaseIsGone
	}
	return message
}

// due reports whether a kind is to be said now, and how often it was left out before.
func (l *etcdLog) due(kind string) (leftOut int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, was := l.now(), l.mu.said[kind]
	switch {
	case was == nil && len(l.mu.said) >= etcdKindsMax:
		clear(l.mu.said)
	case was != nil && now.Sub(was.at) < etcdSaysEvery:
		was.leftOut++
		return 0, false
	case was != nil:
		leftOut = was.leftOut
	}
	l.mu.said[kind] = &saidKind{at: now}
	return leftOut, true
}

func (l *etcdLog) drops(level zapcore.Level, message string) bool {
	if l.closing.Load() && level <= zapcore.ErrorLevel {
		return true
	}
	return hasPart(expected, message)
}

// hasPart reports whether a message has one of the parts.
func hasPart(parts []string, message string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(message, part) })
}

// etcdCore is the zapcore.Core of an etcdLog: immutable, With makes a new one.
type etcdCore struct {
	log    *etcdLog
	fields []zapcore.Field
}

func (c *etcdCore) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

func (c *etcdCore) With(fields []zapcore.Field) zapcore.Core {
	all := append(append([]zapcore.Field(nil), c.fields...), fields...)
	return &etcdCore{log: c.log, fields: all}
}

func (c *etcdCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(e.Level) || c.log.drops(e.Level, e.Message) {
		return checked
	}
	return checked.AddCore(e, c)
}

func (c *etcdCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range c.fields {
		f.AddTo(values)
	}
	for _, f := range fields {
		f.AddTo(values)
	}
	kind := kindOf(e.Message, values.Fields)
	leftOut, due := c.log.due(kind)
	if !due {
		return nil
	}
	attrs := make([]slog.Attr, 0, len(values.Fields)+1)
	for k, v := range values.Fields {
		attrs = append(attrs, slog.Any(k, v))
	}
	if leftOut > 0 {
		attrs = append(attrs, slog.Int("left_out", leftOut))
	}
	level := slog.LevelWarn
	switch {
	case hasPart(routine, kind):
		level = slog.LevelInfo
	case e.Level > zapcore.WarnLevel:
		level = slog.LevelError
	}
	c.log.out.LogAttrs(context.Background(), level, "etcd: "+e.Message, attrs...)
	return nil
}

func (c *etcdCore) Sync() error { return nil }
