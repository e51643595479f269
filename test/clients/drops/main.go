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
	flag.Parse()
	if flag.NArg() < 2 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	result, says := "ok", *note
	if err := run(ctx, flag.Arg(0), flag.Args()[1:]); err != nil {
		result, says = "FAIL", strings.Join(strings.Fields(err.Error()), " ")
	}
	fmt.Printf("%s\t%s\t%s\n", *feature, result, says)
}

func run(ctx context.Context, topic string, command []string) (err error) {
	p, err := listen()
	if err != nil {
		return err
	}
	b, err := startBroker(ctx, os.Getenv("LOCKSTEP"), p.address())
	if err != nil {
		return errors.Join(err, p.close())
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.direct), kgo.ConsumeTopics(topic))
	if err != nil {
		return errors.Join(err, p.close())
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return errors.Join(err, p.close())
	}
	p.serve(b.dropped)
	acked, err := produce(ctx, p, append(command, topic))
	err = errors.Join(err, p.close())
	cuts, unanswered := p.counts()
	fmt.Fprintf(os.Stderr, "%s: %d acknowledged, %d connections cut, %d of them owed an answer\n", topic, len(acked), cuts, unanswered)
	if err := errors.Join(err, verify(ctx, cl, acked)); err != nil {
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

// produce runs the client's producer, whose connections are cut once its first
// record is acknowledged. It returns what the producer says was acknowledged.
func produce(ctx context.Context, p *proxy, command []string) (acked []string, err error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "BROKER="+p.address())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), valuePrefix) {
			if acked = append(acked, lines.Text()); len(acked) == 1 {
				p.startCuts()
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		return acked, fmt.Errorf("the producer after %d records: %w", len(acked), errors.Join(err, ctx.Err()))
	}
	return acked, nil
}
