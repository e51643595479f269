package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// corpus calls f for lines of the Go toolchain's own sources, with a key each,
// up to so many bytes.
func corpus(t testing.TB, bytesMax int, f func(key, line []byte)) (bytes int) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || bytes >= bytesMax {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 512<<10)
		for n := 1; lines.Scan() && bytes < bytesMax; n++ {
			key := fmt.Appendf(nil, "%s:%d", d.Name(), n)
			line := append([]byte{}, lines.Bytes()...)
			bytes += len(key) + len(line)
			f(key, line)
		}
		return nil // a line that is too long ends its file; what was sent is what is compared
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// TestACorpusSurvivesKillMinusNine sends real text through each codec while the
// broker is killed at random moments, and reads the same bytes back, in order.
func TestACorpusSurvivesKillMinusNine(t *testing.T) {
	megabytes := 3
	if n, err := strconv.Atoi(env("LOCKSTEP_CORPUS_MB", "")); err == nil {
		megabytes = n
	}
	b := Start(t)
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			topic := "corpus-" + name
			createTopic(t, b, topic, nil)
			stop, stopped := make(chan struct{}), make(chan int)
			go func() { stopped <- killNowAndThen(b, stop) }()
			cl := client(t, b, kgo.ProducerBatchCompression(codec), kgo.RequiredAcks(kgo.AllISRAcks()))
			sent, records := sha256.New(), 0
			size := corpus(t, megabytes<<20, func(key, line []byte) {
				fmt.Fprintf(sent, "%s\t%s\n", key, line)
				records++
				cl.Produce(context.Background(), &kgo.Record{Topic: topic, Key: key, Value: line}, func(r *kgo.Record, err error) {
					if err != nil {
						t.Errorf("%s: %v", r.Key, err)
					}
				})
			})
			if err := cl.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			close(stop)
			kills := <-stopped
			got := sha256.New()
			log := readAll(t, b, topic)
			for _, r := range log {
				fmt.Fprintf(got, "%s\t%s\n", r.Key, r.Value)
			}
			if len(log) != records || string(got.Sum(nil)) != string(sent.Sum(nil)) {
				t.Fatalf("sent %d records, read %d: SHA-256 %x, want %x", records, len(log), got.Sum(nil), sent.Sum(nil))
			}
			t.Logf("%d records, %d MB, %d kills, SHA-256 %x", records, size>>20, kills, got.Sum(nil))
		})
	}
}

// killNowAndThen kills and restarts the broker until it is told to stop, once at
// the least.
func killNowAndThen(b *Broker, stop chan struct{}) (kills int) {
	for {
		wait := time.Duration(50+rand.IntN(400)) * time.Millisecond
		select {
		case <-stop:
			if kills > 0 {
				return kills
			}
		case <-time.After(wait):
		}
		b.Kill()
		b.Restart()
		kills++
	}
}
