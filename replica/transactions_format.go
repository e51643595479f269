package replica

import (
	"encoding/binary"
	"errors"

	"github.com/lockstep-log/lockstep/protocol"
)

// A checkpoint of the transactions, all big-endian; the log's checkpoint file
// adds the CRC.
//
//	magic "TXN1"
//	count uint32 | producer id int64 | marker's offset int64 | coordinator epoch int32 | number int64 | last heard of int64 …
//	count uint32 | producer id int64 | epoch int16 | first offset int64 | marker's offset int64, -1: open | since int64 …
//	count uint32 | producer id int64 | first offset int64 | last offset int64 …
//
// The second list is of undecided transactions by their first offsets, the third of
// aborted ones by their markers.
const (
	transactionsMagic = 0x54584e31
	producerBytes     = 8 + 8 + 4 + 8 + 8
	undecidedBytes    = 8 + 2 + 8 + 8 + 8
	abortedBytes      = 8 + 8 + 8
)

// AppendTo encodes the table.
func (t *Transactions) AppendTo(dst []byte) []byte {
	be := binary.BigEndian
	dst = be.AppendUint32(dst, transactionsMagic)
	dst = be.AppendUint32(dst, uint32(len(t.byID)))
	for id, p := range t.byID {
		dst = be.AppendUint64(dst, uint64(id))
		dst = be.AppendUint64(dst, uint64(p.marker.at))
		dst = be.AppendUint32(dst, uint32(p.marker.coordinatorEpoch))
		dst = be.AppendUint64(dst, uint64(p.marker.number))
		dst = be.AppendUint64(dst, uint64(p.lastMs))
	}
	dst = be.AppendUint32(dst, uint32(len(t.undecided)))
	for _, u := range t.undecided {
		dst = be.AppendUint64(dst, uint64(u.id))
		dst = be.AppendUint16(dst, uint16(u.epoch))
		dst = be.AppendUint64(dst, uint64(u.first))
		dst = be.AppendUint64(dst, uint64(u.marker))
		dst = be.AppendUint64(dst, uint64(u.sinceMs))
	}
	dst = be.AppendUint32(dst, uint32(len(t.aborted)))
	for _, a := range t.aborted {
		dst = be.AppendUint64(dst, uint64(a.Producer))
		dst = be.AppendUint64(dst, uint64(a.First))
		dst = be.AppendUint64(dst, uint64(a.Last))
	}
	return dst
}

var errTransactions = errors.New("transaction checkpoint does not decode")

// DecodeTransactions reads what AppendTo wrote. An error means that the log must
// be folded from its start; it loses nothing.
func DecodeTransactions(src []byte) (*Transactions, error) {
	t, be := NewTransactions(), binary.BigEndian
	if len(src) < 4 || be.Uint32(src) != transactionsMagic {
		return nil, errTransactions
	}
	src = src[4:]
	lists := []struct {
		each int
		take func(b []byte) bool
	}{
		{producerBytes, func(b []byte) bool {
			t.byID[protocol.ProducerID(be.Uint64(b))] = &producerTransactions{
				marker: lastMarker{
					at: protocol.Offset(be.Uint64(b[8:])), coordinatorEpoch: int32(be.Uint32(b[16:])), number: int64(be.Uint64(b[20:])),
				},
				lastMs: int64(be.Uint64(b[28:])),
			}
			return true
		}},
		{undecidedBytes, func(b []byte) bool {
			return t.restore(&undecided{
				id: protocol.ProducerID(be.Uint64(b)), epoch: protocol.ProducerEpoch(be.Uint16(b[8:])),
				first: protocol.Offset(be.Uint64(b[10:])), marker: protocol.Offset(be.Uint64(b[18:])), sinceMs: int64(be.Uint64(b[26:])),
			})
		}},
		{abortedBytes, func(b []byte) bool {
			t.aborted = append(t.aborted, AbortedTransaction{
				protocol.ProducerID(be.Uint64(b)), protocol.Offset(be.Uint64(b[8:])), protocol.Offset(be.Uint64(b[16:])),
			})
			return true
		}},
	}
	for _, list := range lists {
		if len(src) < 4 || int64(len(src)-4) < int64(be.Uint32(src))*int64(list.each) {
			return nil, errTransactions
		}
		count := be.Uint32(src)
		src = src[4:]
		for range count {
			if !list.take(src[:list.each]) {
				return nil, errTransactions
			}
			src = src[list.each:]
		}
	}
	if len(src) != 0 {
		return nil, errTransactions
	}
	return t, nil
}

// restore takes an undecided transaction from a checkpoint.
func (t *Transactions) restore(u *undecided) bool {
	t.undecided = append(t.undecided, u)
	if u.marker != protocol.None {
		return true
	}
	p := t.byID[u.id]
	if p == nil || p.open != nil {
		return false
	}
	p.open = u
	t.opened++
	return true
}

// beginAt forgets what is open, since the log begins anew at an offset that no
// undecided transaction is before: what of them is in the log is folded again.
func (t *Transactions) beginAt() {
	for _, p := range t.byID {
		p.open = nil
	}
	t.undecided, t.opened = nil, 0
}
