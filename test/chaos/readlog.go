package main

import (
	"context"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/test/chaos/check"
	"github.com/lockstep-log/lockstep/test/rawlog"
)

// readLog reads a partition from its leader up to an end.
func readLog(ctx context.Context, c *chaos, at check.Place, from, end int64) ([]check.Record, error) {
	var records []check.Record
	err := rawlog.Read(ctx, c.cl, at.Topic, at.Partition, from, end, func(b record.Batch) (err error) {
		records, err = openBatch(records, b, from)
		return err
	})
	return records, err
}

func openBatch(records []check.Record, b record.Batch, from int64) ([]check.Record, error) {
	if b.Count() == 0 || b.Control() {
		return records, nil
	}
	opened, err := b.Open(record.Limits{})
	if err != nil {
		return records, err
	}
	defer opened.Release()
	w := opened.Walk()
	for w.Next() {
		r := check.Record{Offset: int64(b.BaseOffset() + protocol.Offset(w.OffsetDelta)), Epoch: int32(b.LeaderEpoch()), Value: string(w.Value)}
		var headers []string
		hs := w.Headers()
		for k, v, ok := hs.Next(); ok; k, v, ok = hs.Next() {
			headers = append(headers, string(k), string(v))
		}
		if r.Header, err = check.ParseLocks(headers...); err != nil {
			return records, err
		}
		if r.Offset >= from {
			records = append(records, r)
		}
	}
	return records, nil
}
