package client

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// logOf is a log of plain batches and transactions of a few producers, and what of
// it a reader of committed data is to see.
type logOf struct {
	t         *rapid.T
	batches   []record.Batch
	open      map[int64]int64 // producer -> offset of its open transaction's first batch
	undecided map[int64][]int64
	visible   []int64
	aborted   []struct{ producer, first, marker int64 }
}

func (l *logOf) append(b *record.Builder) int64 {
	offset := int64(len(l.batches))
	raw, err := b.Place(protocol.Offset(offset), 1).Build()
	if err != nil {
		l.t.Fatal(err)
	}
	batch, _, err := record.View(raw)
	if err != nil {
		l.t.Fatal(err)
	}
	l.batches = append(l.batches, batch)
	return offset
}

func (l *logOf) plain() { l.visible = append(l.visible, l.append(value())) }

func (l *logOf) transactional(producer int64) {
	at := l.append(value().Transactional().Producer(protocol.ProducerID(producer), 0, 0))
	if _, open := l.open[producer]; !open {
		l.open[producer] = at
	}
	l.undecided[producer] = append(l.undecided[producer], at)
}

func (l *logOf) end(producer int64, commit bool) {
	key := binary.BigEndian.AppendUint16(nil, 0)
	key = binary.BigEndian.AppendUint16(key, map[bool]uint16{true: 1}[commit])
	b := record.NewBuilder(record.CodecNone).Add(record.Record{Key: key, Value: make([]byte, 6)})
	at := l.append(b.Transactional().Control().Producer(protocol.ProducerID(producer), 0, -1))
	if commit {
		l.visible = append(l.visible, l.undecided[producer]...)
	} else if first, open := l.open[producer]; open {
		l.aborted = append(l.aborted, struct{ producer, first, marker int64 }{producer, first, at})
	}
	delete(l.open, producer)
	delete(l.undecided, producer)
}

func value() *record.Builder {
	return record.NewBuilder(record.CodecNone).Add(record.Record{Value: []byte("v")})
}

// stable is the last stable offset.
func (l *logOf) stable() int64 {
	least := int64(len(l.batches))
	for _, first := range l.open {
		least = min(least, first)
	}
	return least
}

// answer is what a broker answers to a fetch, and its aborted transactions in no
// order at all.
func (l *logOf) answer(from, below int64) (list []kmsg.FetchResponseTopicPartitionAbortedTransaction) {
	for _, a := range l.aborted {
		if a.marker >= from && a.first < below {
			list = append(list, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: a.producer, FirstOffset: a.first})
		}
	}
	return rapid.Permutation(list).Draw(l.t, "list")
}

func TestAReaderSeesWhatIsCommittedWhereverItsAnswersEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &logOf{t: t, open: map[int64]int64{}, undecided: map[int64][]int64{}}
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			switch producer := rapid.Int64Range(1, 3).Draw(t, "producer"); rapid.SampledFrom([]string{
				"plain", "transactional", "transactional", "commit", "abort"}).Draw(t, "step") {
			case "plain":
				l.plain()
			case "transactional":
				l.transactional(producer)
			case "commit":
				l.end(producer, true)
			default:
				l.end(producer, false)
			}
		}
		stable := l.stable()
		var seen []int64
		for from := int64(0); from < stable; {
			below := rapid.Int64Range(from+1, stable).Draw(t, "below")
			dropped := newAborted(l.answer(from, below))
			for _, b := range l.batches[from:below] {
				if !dropped.drops(b) && !b.Control() {
					seen = append(seen, int64(b.BaseOffset()))
				}
			}
			from = below
		}
		want := slices.DeleteFunc(slices.Clone(l.visible), func(o int64) bool { return o >= stable })
		slices.Sort(want)
		if !slices.Equal(seen, want) {
			t.Fatalf("a reader saw %v, and committed are %v", seen, fmt.Sprint(want))
		}
	})
}
