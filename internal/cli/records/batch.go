package records

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// encodeBatch is one record as a batch of its own, so that nobody else's
// record shares its verdict.
func encodeBatch(r *kgo.Record) ([]byte, error) {
	one := record.Record{Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		one.Headers = append(one.Headers, record.Header{Key: h.Key, Value: h.Value})
	}
	return record.NewBuilder(record.CodecNone).Add(one).Build()
}
