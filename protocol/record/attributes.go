package record

// Attributes are a batch's flags:
//
//	bits 0-2  codec
//	bit  3    timestamps: 0 as created, 1 log append time (max timestamp counts for all)
//	bit  4    transactional
//	bit  5    control: the records are markers of a transaction's end
//	bit  6    base timestamp holds a delete horizon (KIP-534), written by compaction alone
//	bit  14   carried: lock headers in it were stored and not judged, written by a leader alone;
//	          Lockstep's own, far from the bits that Kafka may use next
//	others    unused, zero
type Attributes int16

const (
	attrCodec         Attributes = 0x07
	attrLogAppendTime Attributes = 1 << 3
	attrTransactional Attributes = 1 << 4
	attrControl       Attributes = 1 << 5
	attrDeleteHorizon Attributes = 1 << 6
	attrCarried       Attributes = 1 << 14

	attrFromClients = attrCodec | attrLogAppendTime | attrTransactional | attrControl
	attrKnown       = attrFromClients | attrDeleteHorizon | attrCarried
)

// Codec is how the records are compressed.
func (a Attributes) Codec() Codec { return Codec(a & attrCodec) }

// LogAppendTime reports whether the max timestamp stands for every record's.
func (a Attributes) LogAppendTime() bool { return a&attrLogAppendTime != 0 }

// Transactional reports whether the records belong to a transaction.
func (a Attributes) Transactional() bool { return a&attrTransactional != 0 }

// Carried reports whether lock headers of the records were stored as any others.
func (a Attributes) Carried() bool { return a&attrCarried != 0 }

// Control reports whether the records are control records, which are not data.
func (a Attributes) Control() bool { return a&attrControl != 0 }
