package dump

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// segmentBytes is two batches as a broker would have written them.
func segmentBytes(t *testing.T) []byte {
	t.Helper()
	first, err := record.NewBuilder(record.CodecNone).Place(0, 3).
		Add(record.Record{Timestamp: 1_700_000_000_000, Key: []byte("7"), Value: []byte("100"),
			Headers: []record.Header{{Key: "lock-write", Value: []byte("acct:7")}, {Key: "lock-basis", Value: []byte("none")}}}).
		Build()
	if err != nil {
		t.Fatal(err)
	}
	second, err := record.NewBuilder(record.CodecZstd).Place(1, 3).Producer(9, 0, 4).
		Add(record.Record{Timestamp: 1_700_000_000_001, Value: []byte("a")}).
		Add(record.Record{Timestamp: 1_700_000_000_002, Key: []byte{0xff}}).
		Build()
	if err != nil {
		t.Fatal(err)
	}
	return append(first, second...)
}

// dumped runs the command, and returns its exit code.
func dumped(s *command.Streams, args ...string) int {
	cmd := New(s)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	return command.Report(s.Err, cmd.ExecuteContext(context.Background()))
}

func dump(t *testing.T, content []byte, args ...string) (code int, out, talk string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "00000000000000000000.log")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s := commandtest.Quiet()
	code = dumped(s, append([]string{path}, args...)...)
	return code, s.Out.(*bytes.Buffer).String(), s.Err.(*bytes.Buffer).String()
}

func TestADumpShowsEveryBatchAndItsRecords(t *testing.T) {
	code, out, talk := dump(t, segmentBytes(t), "--records")
	if code != command.ExitDone || talk != "" {
		t.Errorf("exit code %d: %s", code, talk)
	}
	for _, want := range []string{
		"         0      106          0          0      1     3       -1     -1       -1 none   ok\n",
		`offset=0 time=2023-11-14T22:13:20Z key="7" value=3B lock-write="acct:7" lock-basis="none"` + "\n",
		"          1          2      2     3        9      0        4 zstd   ok\n",
		"offset=1 time=2023-11-14T22:13:20.001Z key=null value=1B\n",
		"offset=2 time=2023-11-14T22:13:20.002Z key=base64:/w== value=0B\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
}

// TestADumpTellsHowTransactionsEnd: of a marker it says which it is.
func TestADumpTellsHowTransactionsEnd(t *testing.T) {
	var log []byte
	for i, commit := range []bool{true, false} {
		data, err := record.NewBuilder(record.CodecNone).Place(protocol.Offset(2*i), 0).Producer(9, 0, 0).Transactional().
			Add(record.Record{Value: []byte("a")}).Build()
		if err != nil {
			t.Fatal(err)
		}
		marker := record.Marker{Commit: commit}.Batch(9, 0, 0)
		marker.Place(protocol.Offset(2*i+1), 0)
		log = append(append(log, data...), marker.Bytes()...)
	}
	code, out, talk := dump(t, log)
	if code != command.ExitDone || strings.Count(out, "ok, transactional\n") != 2 ||
		!strings.Contains(out, "none   commit marker\n") || !strings.Contains(out, "none   abort marker\n") {
		t.Errorf("exit code %d: %s\n%s", code, talk, out)
	}
}

func TestADumpFailsAtDamageAndShowsWhatCameBefore(t *testing.T) {
	whole := segmentBytes(t)
	first, _ := record.PeekSize(whole)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-1] ^= 1
	for _, c := range []struct {
		name    string
		content []byte
		code    int
		batches int // lines under the heading
		talk    string
	}{
		{"empty", nil, command.ExitDone, 0, ""},
		{"room made in advance", append(bytes.Clone(whole), make([]byte, 100_000)...), command.ExitDone, 2, "zeros from position"},
		{"a flipped bit", flipped, command.ExitError, 2, "CRC is"},
		{"a torn batch", whole[:len(whole)-1], command.ExitError, 1, "the file ends within a batch"},
		{"a torn prefix", whole[:first+11], command.ExitError, 1, "begin no batch"},
		{"a hole", append(append(bytes.Clone(whole[:first]), make([]byte, 70_000)...), whole[first:]...), command.ExitError, 1, "a hole in the log"},
		{"rubbish", []byte("once upon a time there was a log"), command.ExitError, 0, "begin no batch"},
	} {
		code, out, talk := dump(t, c.content)
		if code != c.code || strings.Count(out, "\n") != c.batches+1 || !strings.Contains(talk, c.talk) {
			t.Errorf("%s: exit code %d, %q\n%s", c.name, code, talk, out)
		}
	}
}

func TestADumpRefusesWhatIsNoFileOfALog(t *testing.T) {
	s := commandtest.Quiet()
	if code := dumped(s, "/etc/hostname"); code != command.ExitError {
		t.Errorf("exit code %d", code)
	}
	if got := s.Err.(*bytes.Buffer).String(); !strings.Contains(got, "/etc/hostname is no file of a log") {
		t.Errorf("got %q", got)
	}
}
