package feature

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// Header is a record's header; a nil value is null.
type Header struct {
	Name  string
	Value []byte
}

// Sample is a record of samples.txt; a nil key or value is null, which is not
// the same as an empty one.
type Sample struct {
	Key, Value []byte
	Headers    []Header
}

// Samples reads samples.txt, which lies beside the folders of the clients.
func Samples(t *testing.T) []Sample {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "samples.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var samples []Sample
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		s, err := parse(strings.Fields(line))
		if err != nil {
			t.Fatalf("samples.txt: %q: %v", line, err)
		}
		samples = append(samples, s)
	}
	return samples
}

func parse(columns []string) (s Sample, err error) {
	if len(columns) != 4 {
		return s, fmt.Errorf("%d columns, want 4", len(columns))
	}
	times, err := strconv.Atoi(columns[0])
	if err != nil {
		return s, err
	}
	if s.Key, err = word(columns[1]); err != nil {
		return s, err
	}
	value, err := word(columns[2])
	if err != nil {
		return s, err
	}
	if s.Value = value; value != nil {
		s.Value = bytes.Repeat(value, times)
	}
	s.Headers, err = headers(columns[3])
	return s, err
}

func headers(list string) (hs []Header, err error) {
	if list == "none" {
		return nil, nil
	}
	for item := range strings.SplitSeq(list, ",") {
		name, text, _ := strings.Cut(item, ":")
		value, err := word(text)
		if err != nil {
			return nil, err
		}
		hs = append(hs, Header{name, value})
	}
	return hs, nil
}

func word(text string) ([]byte, error) {
	switch text {
	case "null":
		return nil, nil
	case "empty":
		return []byte{}, nil
	}
	return hex.DecodeString(text)
}

// Same compares records byte for byte, null and empty apart.
func Same(got, want []Sample) error {
	if len(got) != len(want) {
		return fmt.Errorf("read %d records, want %d", len(got), len(want))
	}
	for i := range want {
		if g, w := show(got[i]), show(want[i]); g != w {
			return fmt.Errorf("record %d: read %.300s, want %.300s", i, g, w)
		}
	}
	return nil
}

// EmptyAsNull is what is left for a client that does not tell the two apart.
func EmptyAsNull(samples []Sample) (folded []Sample) {
	fold := func(b []byte) []byte {
		if len(b) == 0 {
			return nil
		}
		return b
	}
	for _, s := range samples {
		f := Sample{Key: fold(s.Key), Value: fold(s.Value)}
		for _, h := range s.Headers {
			f.Headers = append(f.Headers, Header{h.Name, fold(h.Value)})
		}
		folded = append(folded, f)
	}
	return folded
}

func show(s Sample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "key=%s value=%s", bytesOrNull(s.Key), bytesOrNull(s.Value))
	for _, h := range s.Headers {
		fmt.Fprintf(&b, " %s:%s", h.Name, bytesOrNull(h.Value))
	}
	return b.String()
}

func bytesOrNull(b []byte) string {
	if b == nil {
		return "null"
	}
	return strconv.Quote(string(b))
}
