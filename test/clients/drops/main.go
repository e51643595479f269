package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	records    = 2000
	partitions = 3
	timeout    = 100 * time.Second // of everything
	leastCuts  = 3                 // of requests that were not answered yet
)

func main() {
	feature := flag.String("feature", "idempotent-drops", "`name` of the feature on the line")
	note := flag.String("note", "", "`text` on the line when all is well")
	madeAgain := flag.Bool("made-again", false, "delete the topic and make it again, rather than cut connections")
	flag.Parse()
	if flag.NArg() < 2 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	trouble := cutConnections
	if *madeAgain {
		trouble = makeAgain
	}
	result, says := "ok", *note
	if err := run(ctx, trouble, flag.Arg(0), flag.Args()[1:]); err != nil {
		result, says = "FAIL", strings.Join(strings.Fields(err.Error()), " ")
	}
	fmt.Printf("%s\t%s\t%s\n", *feature, result, says)
}

// rig is what a producer writes to.
type rig struct {
	proxy  *proxy
	broker *broker
	admin  *kadm.Client // past the proxy
	topic  string
}

// run starts a broker, has the producer live through its trouble, and stops all.
func run(ctx context.Context, trouble func(context.Context, *rig, []string) error, topic string, command []string) (err error) {
	p, err := listen()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	b, err := startBroker(ctx, os.Getenv("LOCKSTEP"), p.address())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	p.serve(b.dropped)
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.direct))
	if err != nil {
		return err
	}
	defer cl.Close()
	r := &rig{proxy: p, broker: b, admin: kadm.NewClient(cl), topic: topic}
	if err := r.createTopic(ctx); err != nil {
		return err
	}
	return trouble(ctx, r, append(command, topic))
}

func (r *rig) createTopic(ctx context.Context) error {
	_, err := r.admin.CreateTopic(ctx, partitions, 1, nil, r.topic)
	return err
}

// cutConnections cuts the producer's from its first acknowledgement on.
func cutConnections(ctx context.Context, r *rig, command []string) error {
	var acked []string
	err := produce(ctx, r.proxy.address(), command, func(value string) {
		if acked = append(acked, value); len(acked) == 1 {
			r.proxy.startCuts()
		}
	})
	r.proxy.stopCuts()
	cuts, unanswered := r.proxy.counts()
	fmt.Fprintf(os.Stderr, "%s: %d acknowledged, %d connections cut, %d of them owed an answer\n", r.topic, len(acked), cuts, unanswered)
	if err := errors.Join(err, r.verify(ctx, acked)); err != nil {
		return err
	}
	if len(acked) != records {
		return fmt.Errorf("the client gave up: %d of %d records are acknowledged", len(acked), records)
	}
	if unanswered < leastCuts {
		return fmt.Errorf("only %d connections were cut while they waited for an answer", unanswered)
	}
	return nil
}

// produce runs the client's producer, and tells of each value that the producer
// says was acknowledged.
func produce(ctx context.Context, broker string, command []string, acked func(value string)) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "BROKER="+broker)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), valuePrefix) {
			n++
			acked(lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the producer after %d records: %w", n, errors.Join(err, ctx.Err()))
	}
	return nil
}
