package main

import (
	"context"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/test/rawlog"
	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

// replay has the judge read all logs.
func (p *proof) replay(ctx context.Context, ends []int64) (*ledger.Judge, error) {
	j := ledger.NewJudge(p.crew.place.Bank)
	if err := p.crew.hear(j); err != nil {
		return nil, err
	}
	for i, path := range p.crew.books {
		said, err := claims(ctx, fmt.Sprintf("database %d", i+1), path, p.crew.place.Bank)
		if err != nil {
			return nil, err
		}
		for _, c := range said {
			j.Claim(c)
		}
	}
	for partition, end := range ends {
		err := rawlog.Read(ctx, p.cluster.client, topic, int32(partition), 0, end, func(b record.Batch) error {
			return readBatch(j, int32(partition), b)
		})
		if err != nil {
			return nil, err
		}
		j.End(int32(partition), end)
	}
	return j, nil
}

func readBatch(j *ledger.Judge, partition int32, b record.Batch) error {
	if b.Count() == 0 || b.Control() {
		return nil
	}
	opened, err := b.Open(record.Limits{})
	if err != nil {
		return err
	}
	defer opened.Release()
	for w := opened.Walk(); w.Next(); {
		rec := ledger.Record{Offset: int64(b.BaseOffset() + protocol.Offset(w.OffsetDelta)), Value: w.Value}
		headers := w.Headers()
		for key, value, ok := headers.Next(); ok; key, value, ok = headers.Next() {
			switch string(key) {
			case "lock-write":
				rec.Write = value
			case "lock-basis":
				rec.Basis = value
			}
		}
		j.Record(partition, rec)
	}
	return nil
}
