package attack

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-log/lockstep/protocol/record"
)

func header(key, value string) record.Header { return record.Header{Key: key, Value: []byte(value)} }

func locked(headers ...record.Header) record.Record {
	return record.Record{Value: []byte("v"), Headers: headers}
}

func TestLockHeadersThatAbuseAreMalformed(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	v.topic("abuse")
	s := v.dial()
	names := func(n int) string {
		var list strings.Builder
		for i := range n {
			fmt.Fprintf(&list, "%d ", i)
		}
		return strings.TrimSpace(list.String())
	}
	ten := make([]record.Header, 10_000)
	for i := range ten {
		ten[i] = header("lock-write", strconv.Itoa(i))
	}
	for name, rec := range map[string]record.Record{
		"150,000 names":          locked(header("lock-write", names(150_000)), header("lock-basis", "none")),
		"1,025 names":            locked(header("lock-append", names(1025))),
		"a name of 900 KiB":      locked(header("lock-write", strings.Repeat("x", 900<<10)), header("lock-basis", "none")),
		"a name of 256 bytes":    locked(header("lock-write", strings.Repeat("x", 256)), header("lock-basis", "none")),
		"900 KiB of spaces":      locked(header("lock-write", strings.Repeat(" ", 900<<10)), header("lock-basis", "none")),
		"900 KiB of @":           locked(header("lock-write", strings.Repeat("@", 900<<10))),
		"900 KiB of percent":     locked(header("lock-write", strings.Repeat("%", 900<<10))),
		"10,000 headers":         locked(ten...),
		"basis -1":               locked(header("lock-write", "a"), header("lock-basis", "-1")),
		"basis 2^63-1":           locked(header("lock-write", "a"), header("lock-basis", "9223372036854775807")),
		"basis 2^64":             locked(header("lock-write", "a"), header("lock-basis", "18446744073709551616")),
		"basis of 10,000 nines":  locked(header("lock-write", "a@"+strings.Repeat("9", 10_000))),
		"basis of nothing":       locked(header("lock-write", "a"), header("lock-basis", "")),
		"an id of 65 bytes":      locked(header("lock-id", strings.Repeat("i", 65))),
		"an id with a newline":   locked(header("lock-id", "a\nb")),
		"a name with a newline":  locked(header("lock-write", "a\nb"), header("lock-basis", "none")),
		"a name that is no text": locked(header("lock-write", "\xff\xfe"), header("lock-basis", "none")),
		"a null":                 locked(record.Header{Key: "lock-write"}, header("lock-basis", "none")),
		"an unknown header":      locked(header("lock-"+strings.Repeat("x", 900<<10), "")),
	} {
		t.Run(name, func(t *testing.T) {
			p := s.produce("abuse", batchOf(t, rec))
			if p.ErrorCode != codeInvalidRecord || p.ErrorMessage == nil || !strings.HasPrefix(*p.ErrorMessage, "MALFORMED record=0: ") {
				t.Fatalf("code %d", p.ErrorCode)
			}
			if n := len(*p.ErrorMessage); n > 2048 || strings.ContainsAny(*p.ErrorMessage, "\n\x00") {
				t.Errorf("a text of %d bytes: %q", n, (*p.ErrorMessage)[:min(n, 200)])
			}
		})
	}
	if p := s.produce("abuse", batchOf(t, locked(header("lock-write", names(1024)), header("lock-basis", "none")))); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Errorf("1,024 locks, after all of them: code %d at %d", p.ErrorCode, p.BaseOffset)
	}
	b.stillServed()
}

// One key, all clients, none of which has read anything: one of them wins.
func TestAllClientsOnOneLockLetOneThrough(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	v.topic("one")
	const clients, each = 16, 50
	batch := batchOf(t, locked(header("lock-write", "the-one"), header("lock-basis", "none")))
	var won, refused, other int
	var mu sync.Mutex
	var work sync.WaitGroup
	for range clients {
		s := v.dial()
		work.Go(func() {
			for range each {
				p := s.produce("one", bytes.Clone(batch))
				mu.Lock()
				switch p.ErrorCode {
				case 0:
					won++
				case codePolicyViolation:
					refused++
				default:
					other++
				}
				mu.Unlock()
			}
		})
	}
	work.Wait()
	if won != 1 || refused != clients*each-1 || other != 0 {
		t.Errorf("%d admitted, %d refused, %d otherwise", won, refused, other)
	}
	if n := v.log.count("msg=refused"); n > clients*each/2 {
		t.Errorf("%d lines for %d refusals: the log is flooded", n, refused)
	}
	b.stillServed()
}

// Unique locks fill the table for ever: it goes to disk, not to memory.
func TestAFloodOfUniqueLocksIsBoundedInMemory(t *testing.T) {
	t.Parallel()
	p := attackedProcess(t)
	b := p.bystand()
	p.topic("unique")
	s := p.dial()
	const requests, locks, bound = 300, 1024, 256 << 20
	before := p.memory()
	name := 0
	for range requests {
		var list strings.Builder
		for range locks {
			name++
			fmt.Fprintf(&list, "unique-lock-%032d ", name)
		}
		r := s.produce("unique", batchOf(t, locked(header("lock-append", strings.TrimSpace(list.String())))))
		if r.ErrorCode != 0 {
			t.Fatalf("code %d", r.ErrorCode)
		}
	}
	grown := p.memory() - before
	t.Logf("%d locks: %d MiB, %d bytes each", name, grown>>20, grown/int64(name))
	if grown > bound {
		t.Errorf("%d MiB for %d locks", grown>>20, name)
	}
	b.stillServed()
}
