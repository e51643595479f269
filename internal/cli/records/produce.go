package records

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// produceCommand turns standard input into records.
type produceCommand struct {
	s           *command.Streams
	cluster     command.Cluster
	layout      string
	partition   int32
	key         string
	headers     []string
	compression string
	output      string
	format      command.Format
}

// NewProduce is the command produce.
func NewProduce(s *command.Streams) *cobra.Command {
	p := &produceCommand{s: s}
	cmd := &cobra.Command{
		Use:   "produce TOPIC",
		Short: "Write records read from standard input, one a line",
		Long: "Write records read from standard input, by default one a line.\n\n" +
			"Plain records are sent in batches. A record with lock headers is sent alone and after all\n" +
			"before it, so that it does not share its verdict with its neighbours; the first refusal\n" +
			"ends the command with exit code 3.",
		Example: "  lockstep produce events <lines.txt\n" +
			"  lockstep produce events -f '%k\\t%v\\n' <pairs.tsv",
		Args: command.Arguments(1, 1, "a topic"),
		RunE: p.produceInput,
	}
	command.Annotate(cmd, command.OpenEnded)
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&p.layout, "read-format", "f", `%v\n`, "`LAYOUT` of the input: %k key, %v value, %h headers, ...")
	f.Int32VarP(&p.partition, "partition", "p", -1, "partition `N`; -1: by key, or spread")
	f.StringVarP(&p.key, "key", "k", "", "`KEY` of every record that has none")
	f.StringArrayVarP(&p.headers, "header", "H", nil, "`KEY:VALUE` header of every record; may be repeated")
	f.StringVarP(&p.compression, "compression", "z", "none", "compress by `CODEC`: none, gzip, snappy, lz4 or zstd")
	f.StringVarP(&p.output, "output", "o", `%p %o\n`, "`LAYOUT` of the line printed for each record; empty: none")
	p.cluster.Flags(cmd, s)
	p.format.Flag(cmd)
	return cmd
}

func (p *produceCommand) produceInput(cmd *cobra.Command, args []string) error {
	run, err := p.prepare(cmd, args[0])
	if err != nil {
		return err
	}
	codec, err := parseCodec(p.compression)
	if err != nil {
		return command.Usagef(cmd, "--compression: %w", err)
	}
	ctx := cmd.Context()
	run.client, err = p.cluster.Connect(ctx, append(p.options(codec), kgo.WithLogger(run.failures))...)
	if err != nil {
		return err
	}
	defer run.client.Close()
	defer func() {
		if run.locked != nil {
			run.locked.close()
		}
	}()
	return errors.Join(run.all(ctx), run.out.Flush())
}

func (p *produceCommand) options(codec kgo.CompressionCodec) []kgo.Opt {
	opts := []kgo.Opt{kgo.ProducerBatchCompression(codec), kgo.AllowAutoTopicCreation()}
	if p.partition >= 0 {
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	return opts
}

func (p *produceCommand) prepare(cmd *cobra.Command, topic string) (*production, error) {
	headers, err := parseHeaders(p.headers)
	if err != nil {
		return nil, command.Usagef(cmd, "--header: %w", err)
	}
	reader, err := kgo.NewRecordReader(closedBy(delimiterOf(p.layout), command.Interruptible(cmd.Context(), p.s.In)),
		p.layout)
	if err != nil {
		return nil, command.Usagef(cmd, "--read-format: %w", err)
	}
	layout, err := kgo.NewRecordFormatter(p.output)
	if err != nil {
		return nil, command.Usagef(cmd, "--output: %w", err)
	}
	return &production{produceCommand: p, topic: topic, extra: headers, reader: reader, failures: new(failureLog),
		layout: layout, out: bufio.NewWriter(p.s.Out)}, nil
}

func parseCodec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	}
	return kgo.NoCompression(), fmt.Errorf("want none, gzip, snappy, lz4 or zstd, got %q", name)
}

// production is one run of the command. The reading goroutine owns it but for
// what mu guards, which the client's goroutine shares.
type production struct {
	*produceCommand
	topic    string
	extra    []kgo.RecordHeader
	reader   *kgo.RecordReader
	client   *kgo.Client
	failures *failureLog
	locked   *oneByOne // made at the first record with lock headers

	layout *kgo.RecordFormatter
	out    *bufio.Writer
	sent   int // records that were read and given to the client
	mu     struct {
		sync.Mutex
		acked int
		err   error // the first failure
	}
}

// all sends what the input holds. When it is interrupted, what is under way has
// a moment to be answered, and what was not is reported.
func (p *production) all(ctx context.Context) error {
	// A record that was begun is not taken back: nobody would know its outcome.
	sending, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(command.StopSlow, abandon) })()
	for p.failed() == nil {
		r, err := p.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.fail(p.inputError(ctx, err))
			break
		}
		p.sent++
		if isLockRequest(r.Headers) {
			p.fail(p.sendLocked(sending, r))
			continue
		}
		p.client.Produce(sending, r, p.done)
	}
	if err := p.client.Flush(sending); err != nil {
		p.fail(err)
	}
	err := p.failed()
	if left := p.sent - p.answered(); left > 0 &&
		(errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return fmt.Errorf("%d of %d records have no answer: %w", left, p.sent, command.ErrUnknownResult)
	}
	return err
}

func (p *production) inputError(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the input ends within a record; its layout is %s", p.produceCommand.layout)
	}
	return fmt.Errorf("reading the input: %w", err)
}

// next reads one record and adds what the flags say of all.
func (p *production) next() (*kgo.Record, error) {
	r := new(kgo.Record)
	if err := p.reader.ReadRecordInto(r); err != nil {
		return nil, err
	}
	r.Topic = p.topic
	if r.Key == nil && p.key != "" {
		r.Key = []byte(p.key)
	}
	if p.partition >= 0 {
		r.Partition = p.partition
	}
	r.Headers = append(r.Headers, p.extra...)
	return r, nil
}

// sendLocked sends a record alone, after all that were read before it.
func (p *production) sendLocked(ctx context.Context, r *kgo.Record) error {
	if err := p.client.Flush(ctx); err != nil {
		return err
	}
	if p.locked == nil {
		var err error
		if p.locked, err = newOneByOne(p.client, p.cluster.Timeout); err != nil {
			return err
		}
	}
	if r.Timestamp.IsZero() {
		r.Timestamp = time.Now()
	}
	done, err := p.locked.append(ctx, p.topic, p.partition, r)
	if err == nil {
		r.Partition, r.Offset = done.Partition, done.Offset
		p.print(r)
	}
	return err
}

// done is called by the client's goroutine, once for each record, in order
// within a partition.
func (p *production) done(r *kgo.Record, err error) {
	if err != nil {
		p.fail(p.failures.explain(r.Topic, err))
		return
	}
	p.print(r)
}

func (p *production) print(r *kgo.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.acked++
	var err error
	if p.format == command.FormatText {
		_, err = p.out.Write(p.layout.AppendRecord(nil, r))
	} else {
		err = p.format.Encode(p.out, appended{r.Topic, r.Partition, r.Offset})
	}
	if p.client.BufferedProduceRecords() <= 1 { // whoever types lines sees each answer
		err = errors.Join(err, p.out.Flush())
	}
	if err != nil && p.mu.err == nil {
		p.mu.err = err
	}
}

func (p *production) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.err == nil {
		p.mu.err = err
	}
}

func (p *production) answered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.acked
}

func (p *production) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.err
}
