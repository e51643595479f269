package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	partitions = 6
	timeout    = 150 * time.Second // of everything
	settled    = 3 * time.Second   // for members to share what there is, before the next change
	pace       = 5 * time.Millisecond
)

func main() {
	feature := flag.String("feature", "group", "`name` of the feature on the line")
	flag.Parse()
	if flag.NArg() < 2 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	result, note := "ok", ""
	if err := run(ctx, flag.Arg(0), flag.Args()[1:]); err != nil {
		result, note = "FAIL", strings.Join(strings.Fields(err.Error()), " ")
	}
	fmt.Printf("%s\t%s\t%s\n", *feature, result, note)
}

func run(ctx context.Context, topic string, command []string) (err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BROKER")), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return err
	}
	g := &group{name: topic, command: append(command, topic, topic), read: map[string]int{}}
	defer func() { err = errors.Join(err, g.end()) }()
	w := startWriter(ctx, cl)
	err = g.change(ctx)
	written, failed := w.stop()
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	return errors.Join(g.await(ctx, written), g.bounded(), committed(ctx, adm, topic))
}

// change has members join, die without a word, leave in peace and join again.
func (g *group) change(ctx context.Context) error {
	for _, step := range []func() error{
		g.join, g.join,
		func() error { return g.hears(ctx) },
		g.join,
		func() error { return g.hears(ctx) },
		func() error { return g.kill(0) },
		g.join,
		func() error { return g.hears(ctx) },
		func() error { return g.leave(ctx, 1) },
		func() error { return g.hears(ctx) },
	} {
		if err := errors.Join(step(), ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// committed waits until the group has committed the end of every partition.
func committed(ctx context.Context, adm *kadm.Client, topic string) error {
	for {
		lag, err := lagOf(ctx, adm, topic)
		if err == nil && lag == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("all is read, and the lag is %d", lag), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// lagOf adds up what the group, named like its topic, has not committed.
func lagOf(ctx context.Context, adm *kadm.Client, topic string) (lag int64, err error) {
	offsets, err := adm.FetchOffsetsForTopics(ctx, topic, topic)
	if err := errors.Join(err, offsets.Error()); err != nil {
		return 0, err
	}
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err := errors.Join(err, ends.Error()); err != nil {
		return 0, err
	}
	ends.Each(func(end kadm.ListedOffset) {
		at, _ := offsets.Lookup(topic, end.Partition)
		lag += end.Offset - max(0, at.At)
	})
	return lag, nil
}
