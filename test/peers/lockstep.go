package main

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
)

const (
	neverFlush  = "9223372036854775807"
	alwaysFlush = "1"
)

var lockstep = &system{
	name: "lockstep",
	line: func(o options, addr, http, dir string, _ bool) ([]string, error) {
		return []string{o.lockstep, "serve", "--data-dir", dir, "--listen", addr, "--http", http, "--log-level", "warn"}, nil
	},
	ready: func(ctx context.Context, addr string) error {
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
		if err != nil {
			return err
		}
		defer cl.Close()
		return cl.Ping(ctx)
	},
	place: makeTopic,
}

func makeTopic(ctx context.Context, addr, name string, fsync bool) (func(context.Context) error, error) {
	flush := neverFlush
	if fsync {
		flush = alwaysFlush
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return nil, err
	}
	admin := kadm.NewClient(cl)
	if _, err := admin.CreateTopic(ctx, 1, 1, map[string]*string{"flush.messages": &flush}, name); err != nil {
		cl.Close()
		return nil, err
	}
	return func(ctx context.Context) error {
		defer cl.Close()
		_, err := admin.DeleteTopic(ctx, name)
		return err
	}, nil
}

// appender is a connection to a topic of one partition, and the extended
// producer on it.
type appender struct {
	at place
	kc *kgo.Client
	*client.Client
}

func newAppender(at place) (*appender, error) {
	kc, err := kgo.NewClient(kgo.SeedBrokers(at.addr), kgo.ClientID("peers"), kgo.DefaultProduceTopic(at.name),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return nil, err
	}
	c, err := client.New(kc)
	if err != nil {
		kc.Close()
		return nil, err
	}
	return &appender{at, kc, c}, nil
}

func (a *appender) close() error {
	a.Client.Close()
	a.kc.Close()
	return nil
}

// append appends a record and waits for the verdict.
func (a *appender) append(ctx context.Context, cond client.Cond, value []byte) (offset int64, refused bool, err error) {
	r, err := a.Append(ctx, a.at.name, 0, cond, &kgo.Record{Value: value})
	if errors.Is(err, client.ErrConflict) {
		return 0, true, nil
	}
	return r.Offset, false, err
}
