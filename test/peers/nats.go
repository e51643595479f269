package main

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var jetStream = &system{
	name: "nats",
	line: func(_ options, addr, _, dir string, fsync bool) ([]string, error) {
		self, err := os.Executable()
		return []string{self, "nats", "-listen", addr, "-dir", dir, "-fsync=" + strconv.FormatBool(fsync)}, err
	},
	ready: func(_ context.Context, addr string) error {
		nc, err := nats.Connect("nats://" + addr)
		if err == nil {
			nc.Close()
		}
		return err
	},
	place: makeStream,
}

// makeStream makes a stream of all subjects below its name: on disk, one
// replica, all messages kept, reads served directly; what else a stream can
// be is off, but for the two kinds of batches.
func makeStream(ctx context.Context, addr, name string, _ bool) (func(context.Context) error, error) {
	p, err := newPublisher(place{addr, name})
	if err != nil {
		return nil, err
	}
	_, err = p.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, Storage: jetstream.FileStorage,
		Replicas: 1, AllowDirect: true, AllowAtomicPublish: true, AllowBatchPublish: true})
	if err != nil {
		p.nc.Close()
		return nil, err
	}
	return func(ctx context.Context) error {
		defer p.nc.Close()
		return p.DeleteStream(ctx, name)
	}, nil
}

// publisher is a connection to a stream.
type publisher struct {
	at place
	nc *nats.Conn
	jetstream.JetStream
}

func newPublisher(at place, opts ...jetstream.JetStreamOpt) (*publisher, error) {
	nc, err := nats.Connect("nats://" + at.addr)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, opts...)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &publisher{at, nc, js}, nil
}

func (p *publisher) close() error {
	p.nc.Close()
	return nil
}

// publish publishes a message that follows the last of its subject, whose
// sequence is given, and waits for the verdict.
func (p *publisher) publish(ctx context.Context, subject string, last uint64, value []byte) (seq uint64, refused bool, err error) {
	ack, err := p.Publish(ctx, subject, value, jetstream.WithExpectLastSequencePerSubject(last))
	if wrongSequence(err) {
		return 0, true, nil
	}
	if err != nil {
		return 0, false, err
	}
	return ack.Sequence, false, nil
}

func wrongSequence(err error) bool {
	var e *jetstream.APIError
	return errors.As(err, &e) && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
