package franzgo

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

// TestACorpusComesBackTheSame sends a large file of key, tab, value lines
// through each codec and compares SHA-256 of what comes back.
func TestACorpusComesBackTheSame(t *testing.T) {
	path := os.Getenv("CORPUS")
	if path == "" {
		t.Skip("run.sh makes the corpus")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := &session{t: t, ctx: ctx, broker: feature.Broker(t)}
	for i, name := range codecNames {
		feature.Check(t, "franz-go-"+name, func() (string, error) {
			n, want, err := s.sendLines(path, "corpus-franz-go-"+name, codecs[i])
			if err != nil {
				return "", err
			}
			got, err := s.hashOf("corpus-franz-go-"+name, n)
			if err == nil && !bytes.Equal(got, want) {
				err = fmt.Errorf("sha256 %x, want %x", got, want)
			}
			return "", err
		})
	}
}

func (s *session) sendLines(path, topic string, codec kgo.CompressionCodec) (n int, sum []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer file.Close()
	cl := s.client(kgo.ProducerBatchCompression(codec), kgo.MaxBufferedRecords(200_000))
	defer cl.Close()
	h := sha256.New()
	lines := bufio.NewReaderSize(io.TeeReader(file, h), 1<<20)
	results := make(chan error, 1)
	for ; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return n, nil, err
		}
		key, value, _ := bytes.Cut(line[:len(line)-1], []byte{'\t'})
		cl.Produce(s.ctx, &kgo.Record{Topic: topic, Key: key, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case results <- err:
				default: // the first is enough
				}
			}
		})
	}
	if err := cl.Flush(s.ctx); err != nil {
		return n, nil, err
	}
	select {
	case err := <-results:
		return n, nil, err
	default:
		return n, h.Sum(nil), nil
	}
}

func (s *session) hashOf(topic string, n int) ([]byte, error) {
	cl := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	defer cl.Close()
	h := sha256.New()
	for read := 0; read < n; {
		fetches := cl.PollFetches(s.ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d records: %w", read, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { writeLine(h, r) })
		read += fetches.NumRecords()
	}
	return h.Sum(nil), nil
}

func writeLine(h hash.Hash, r *kgo.Record) {
	h.Write(r.Key)
	h.Write([]byte{'\t'})
	h.Write(r.Value)
	h.Write([]byte{'\n'})
}
