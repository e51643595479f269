package command

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// PrintedRecord is a record as JSON or YAML. Bytes that are no UTF-8 text are
// given in base64, and the field says so by its name.
type PrintedRecord struct {
	Topic       string          `json:"topic" yaml:"topic"`
	Partition   int32           `json:"partition" yaml:"partition"`
	Offset      int64           `json:"offset" yaml:"offset"`
	Timestamp   time.Time       `json:"timestamp" yaml:"timestamp"`
	Key         *string         `json:"key,omitempty" yaml:"key,omitempty"`
	KeyBase64   string          `json:"key_base64,omitempty" yaml:"key_base64,omitempty"`
	Value       *string         `json:"value,omitempty" yaml:"value,omitempty"`
	ValueBase64 string          `json:"value_base64,omitempty" yaml:"value_base64,omitempty"`
	Headers     []PrintedHeader `json:"headers,omitempty" yaml:"headers,omitempty"`
}

// PrintedHeader is a header of a PrintedRecord.
type PrintedHeader struct {
	Key         string  `json:"key" yaml:"key"`
	Value       *string `json:"value,omitempty" yaml:"value,omitempty"`
	ValueBase64 string  `json:"value_base64,omitempty" yaml:"value_base64,omitempty"`
}

// DescribeRecord makes a PrintedRecord of a record.
func DescribeRecord(r *kgo.Record) PrintedRecord {
	p := PrintedRecord{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UTC()}
	p.Key, p.KeyBase64 = TextOrBase64(r.Key)
	p.Value, p.ValueBase64 = TextOrBase64(r.Value)
	for _, h := range r.Headers {
		ph := PrintedHeader{Key: h.Key}
		ph.Value, ph.ValueBase64 = TextOrBase64(h.Value)
		p.Headers = append(p.Headers, ph)
	}
	return p
}

// TextOrBase64 gives neither for null.
func TextOrBase64(b []byte) (*string, string) {
	switch {
	case b == nil:
		return nil, ""
	case utf8.Valid(b):
		s := string(b)
		return &s, ""
	}
	return nil, base64.StdEncoding.EncodeToString(b)
}
