package ledger

import (
	"encoding/binary"
	"fmt"
)

// ID names a transfer in the whole run: whoever made it, a process that is never
// followed by another of its number, and how many it had made.
type ID uint64

// NewID of a writer's transfer; writers and transfers are counted from 1.
func NewID(writer, sequence uint32) ID { return ID(writer)<<32 | ID(sequence) }

func (id ID) writer() uint32   { return uint32(id >> 32) }
func (id ID) sequence() uint32 { return uint32(id) }

func (id ID) String() string { return fmt.Sprintf("%d.%d", id.writer(), id.sequence()) }

// Transfer is the value of a record.
type Transfer struct {
	ID       ID
	From, To uint32
	Amount   uint32
}

const transferSize = 20

// Encode is the transfer as it stands in the log: its fields in their order,
// big-endian.
func (t Transfer) Encode() []byte {
	b := make([]byte, 0, transferSize)
	b = binary.BigEndian.AppendUint64(b, uint64(t.ID))
	b = binary.BigEndian.AppendUint32(b, t.From)
	b = binary.BigEndian.AppendUint32(b, t.To)
	return binary.BigEndian.AppendUint32(b, t.Amount)
}

// DecodeTransfer reads what Encode made.
func DecodeTransfer(b []byte) (Transfer, error) {
	if len(b) != transferSize {
		return Transfer{}, fmt.Errorf("%d bytes are no transfer, which has %d", len(b), transferSize)
	}
	return Transfer{
		ID:   ID(binary.BigEndian.Uint64(b)),
		From: binary.BigEndian.Uint32(b[8:]), To: binary.BigEndian.Uint32(b[12:]), Amount: binary.BigEndian.Uint32(b[16:]),
	}, nil
}

// check says what is wrong with a transfer in a partition, if anything is.
func (b Bank) check(partition int32, t Transfer) error {
	switch {
	case int(t.From) >= b.Accounts || int(t.To) >= b.Accounts:
		return fmt.Errorf("there are %d accounts", b.Accounts)
	case b.Partition(t.From) != partition || b.Partition(t.To) != partition:
		return fmt.Errorf("its accounts are not those of partition %d", partition)
	case t.From == t.To || t.Amount == 0:
		return fmt.Errorf("it moves nothing")
	}
	return nil
}
