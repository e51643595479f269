package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
	"github.com/lockstep-log/lockstep/protocol"
)

// lines are what a logger said, one map a line of JSON.
func lines(t *testing.T, said *bytes.Buffer) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(said.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, m)
	}
	said.Reset()
	return all
}

func jsonLogger() (*slog.Logger, *bytes.Buffer) {
	s := commandtest.Quiet()
	return newLogger(s, serveConfig{LogFormat: "json", LogLevel: "info"}), s.Err.(*bytes.Buffer)
}

func TestALogOfJSONIsReadable(t *testing.T) {
	log, said := jsonLogger()
	id := protocol.TopicID{1, 2, 3}
	log.Info("deleted", "id", id, "at", protocol.TopicPartition{Topic: id, Index: 7}, "took", 1500*time.Millisecond,
		"from", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, "error", fmt.Errorf("a: %w", io.EOF),
		slog.Group("in", "wait", time.Second))
	got := lines(t, said)[0]
	for key, want := range map[string]any{
		"id": id.String(), "at": id.String() + "-7", "took": "1.5s", "from": "127.0.0.1:9", "error": "a: EOF",
		"in": map[string]any{"wait": "1s"},
	} {
		if fmt.Sprint(got[key]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
}

// Goal: 250 partitions of a disk that fails are a few lines, and a scan of ports that
// goes on for an hour some hundred; how many are left out is told, and another cause
// is not held up by them.
func TestOneCauseIsToldAFewTimesAndThenSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, said := jsonLogger()
		disk := errors.New("no space left on device")
		for i := range 250 {
			log.With("topic", "a").Error("partition takes no more writes", "partition", i, "error",
				fmt.Errorf("write /logs/a-%d: %w", i, disk))
		}
		log.Error("partition takes no more writes", "partition", 0, "error", errors.New("input/output error"))
		time.Sleep(time.Minute)
		synctest.Wait()
		got := lines(t, said)
		if len(got) != 7 {
			t.Fatalf("%d lines: %v", len(got), got)
		}
		last := got[6]
		if last["left_out"] != 244.0 || last["partition"] != 249.0 || last["topic"] != "a" || got[5]["left_out"] != nil {
			t.Errorf("the last line is %v", last)
		}

		for range 3600 {
			log.Warn("connection closed", "why", "the client speaks TLS")
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		told, leftOut := 0, 0.0
		for _, l := range lines(t, said) {
			told++
			if n, ok := l["left_out"].(float64); ok {
				leftOut += n
			}
		}
		if told > 500 || told+int(leftOut) != 3600 {
			t.Errorf("%d lines, which leave out %v, of 3600", told, leftOut)
		}
	})
}

// A scanner that speaks TLS does not hide the proxy whose health check speaks HTTP,
// though both end in a frame that is too long.
func TestReasonsThatEndInTheSameErrorAreCausesOfTheirOwn(t *testing.T) {
	log, said := jsonLogger()
	for _, who := range []string{"TLS", "HTTP", "SSH"} {
		for i := range 20 {
			log.Warn("connection closed", "why",
				fmt.Errorf("the client speaks %s (%w)", who, fmt.Errorf("frame length %d is over the limit", i)))
		}
	}
	told := map[string]int{}
	for _, l := range lines(t, said) {
		who, _, _ := strings.Cut(fmt.Sprint(l["why"]), " (")
		told[who]++
	}
	if want := map[string]int{"the client speaks TLS": 5, "the client speaks HTTP": 5,
		"the client speaks SSH": 5}; !maps.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestWhatHappensIsToldAsLongAsItIsNoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, said := jsonLogger()
		for i := range 1000 {
			log.Info("elections", "revision", i)
			time.Sleep(2 * time.Second)
		}
		if got := lines(t, said); len(got) != 1000 {
			t.Errorf("%d lines of 1000", len(got))
		}
	})
}

func TestCausesThatAreRememberedAreBounded(t *testing.T) {
	log, said := jsonLogger()
	for i := range 5 * causesMax {
		log.Warn("x" + strings.Repeat("y",
			i%70) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)))
	}
	if n := len(log.Handler().(*rateLimited).causes.mu.of); n > causesMax {
		t.Errorf("%d causes are remembered", n)
	}
	said.Reset()
}
