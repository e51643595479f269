package conflict

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestReadIsOpenAndThenPrepare: batches with random lock headers, some of them
// with bytes changed behind the producer's back and the CRC made right. One
// walk must find the same records, the same request and the same fault as two.
func TestReadIsOpenAndThenPrepare(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		b := damaged(rt)
		pol := rapid.SampledFrom([]Policy{Optional, Optional, Required, Off}).Draw(rt, "policy")
		want, kind := twoWalks(b, pol)
		recs, r, refusal, err := Read(b, record.Limits{}, pol)
		got, _ := toldOf(&recs, r, refusal, err)
		if got != want {
			rt.Fatalf("one walk finds\n%s\ntwo find\n%s", got, want)
		}
		seen[kind]++
		recs.Release()
	})
	for _, kind := range []string{"invalid", "refused", "plain", "locks"} {
		if seen[kind] == 0 {
			t.Errorf("no batch was %s", kind)
		}
	}
}

func twoWalks(b record.Batch, pol Policy) (told, kind string) {
	recs, err := b.Open(record.Limits{})
	defer recs.Release()
	if err != nil {
		return toldOf(&recs, nil, nil, err)
	}
	r, refusal := Prepare(b, &recs, pol)
	return toldOf(&recs, r, refusal, nil)
}

func toldOf(recs *record.Records, r *Request, refusal *protocol.Refusal, err error) (told, kind string) {
	switch {
	case err != nil:
		return fmt.Sprintf("%v, request %v, refusal %v", err, r, refusal), "invalid"
	case refusal != nil:
		told, kind = refusal.Message(), "refused"
	case r == nil:
		kind = "plain"
	default:
		told, kind = r.told(), "locks"
		r.Release()
	}
	least, greatest := recs.TimestampDeltas()
	return fmt.Sprintf("%d records, times %d to %d, locks %t, %s", recs.Count(), least, greatest, recs.HaveLocks(), told), kind
}

// damaged is a batch that may have had a byte of its records changed.
func damaged(rt *rapid.T) record.Batch {
	const atCRC, crcFrom, atRecords = 17, 21, record.HeaderSize
	build := record.NewBuilder(record.CodecNone)
	plain := rapid.IntRange(0, 5).Draw(rt, "plain") == 0
	for i := range rapid.IntRange(1, 5).Draw(rt, "records") {
		one := record.Record{Timestamp: int64(i), Value: []byte("v")}
		if !plain {
			one.Headers = drawHeaders(rt)
		}
		build.Add(one)
	}
	raw, err := build.Build()
	if err != nil {
		rt.Fatal(err)
	}
	if rapid.IntRange(0, 2).Draw(rt, "damage") == 0 {
		raw[rapid.IntRange(atRecords, len(raw)-1).Draw(rt, "at")] ^= byte(rapid.IntRange(1, 255).Draw(rt, "bits"))
		binary.BigEndian.PutUint32(raw[atCRC:], crc32.Checksum(raw[crcFrom:], crc32.MakeTable(crc32.Castagnoli)))
	}
	b, _, err := record.View(raw)
	if err != nil {
		rt.Fatal(err)
	}
	return b
}
