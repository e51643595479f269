package coordinator

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// etcdLog passes etcd's warnings and errors on to slog. What etcd says at
// Close about its own listeners and streams going away is normal and is
// dropped, and so are warnings about choices that this package makes for it.
type etcdLog struct {
	out     *slog.Logger
	closing atomic.Bool
}

func newEtcdLog(out *slog.Logger) *etcdLog { return &etcdLog{out: out} }

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

func (l *etcdLog) drops(level zapcore.Level, message string) bool {
	if l.closing.Load() && level <= zapcore.ErrorLevel {
		return true
	}
	for _, part := range expected {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
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
	attrs := make([]slog.Attr, 0, len(values.Fields))
	for k, v := range values.Fields {
		attrs = append(attrs, slog.Any(k, v))
	}
	level := slog.LevelWarn
	if e.Level > zapcore.WarnLevel {
		level = slog.LevelError
	}
	c.log.out.LogAttrs(context.Background(), level, "etcd: "+e.Message, attrs...)
	return nil
}

func (c *etcdCore) Sync() error { return nil }
