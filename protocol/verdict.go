package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
)

// TagVerdicts is a tagged field of one partition, of Produce from version 9
// on, in the request and in the response. The numbers that Kafka uses are
// small and rise by one; this one is far from them.
//
// In the request its value is one byte, VerdictsVersion: the producer asks for
// a verdict per append. In the response it answers with the verdicts:
//
//	+---------+-------+-----------------------------------------------+ ...
//	| version | count | first | records | outcome | at or text        |
//	|  int8   |    each append that was not written as it stood       |
//	+---------+-------+-----------------------------------------------+ ...
//
// All numbers but the version are unsigned varints. An outcome 1 is a refusal:
// the length of its text and the text follow. An outcome 2 is a repeat: the
// offset at which the append's first record was written before follows.
const (
	TagVerdicts     = 10100
	VerdictsVersion = 1
)

const (
	outcomeRefused = 1
	outcomeRepeat  = 2

	verdictBytesMin = 4
)

// Verdict is what became of one append of a batch that was not written as it
// stood. Of all other appends the record with index i is at base offset + i.
type Verdict struct {
	First   int32  // index of the append's first record in its batch
	Records int32  // how many records the append has; they lie side by side
	Refusal string // the text of the refusal; "" for a repeat
	At      Offset // of a repeat: where its first record was written before
}

// VerdictsAsked checks the value of a request's tag.
func VerdictsAsked(value []byte) error {
	if len(value) != 1 || value[0] != VerdictsVersion {
		return fmt.Errorf("tag %d of a partition holds % x; verdicts are known in version %d",
			TagVerdicts, value, VerdictsVersion)
	}
	return nil
}

// AppendVerdicts appends the value of a response's tag.
func AppendVerdicts(dst []byte, verdicts []Verdict) []byte {
	dst = append(dst, VerdictsVersion)
	dst = binary.AppendUvarint(dst, uint64(len(verdicts)))
	for i := range verdicts {
		v := &verdicts[i]
		dst = binary.AppendUvarint(dst, uint64(v.First))
		dst = binary.AppendUvarint(dst, uint64(v.Records))
		if v.Refusal == "" {
			dst = binary.AppendUvarint(append(dst, outcomeRepeat), uint64(v.At))
			continue
		}
		dst = binary.AppendUvarint(append(dst, outcomeRefused), uint64(len(v.Refusal)))
		dst = append(dst, v.Refusal...)
	}
	return dst
}

// ReadVerdicts reads what AppendVerdicts wrote for a batch of so many records.
// The verdicts come in the order of their records, and no two share one.
func ReadVerdicts(value []byte, records int32) ([]Verdict, error) {
	r := verdictReader{rest: value}
	if version := r.byte(); version != VerdictsVersion {
		return nil, fmt.Errorf("verdicts of version %d; known is %d", version, VerdictsVersion)
	}
	count := r.number(uint64(len(r.rest)) / verdictBytesMin)
	verdicts := make([]Verdict, 0, count)
	next := int32(0)
	for range count {
		v := r.verdict()
		if r.bad || v.First < next || v.Records < 1 || v.Records > records-v.First {
			return nil, fmt.Errorf("verdict %d of %d does not decode", len(verdicts), count)
		}
		next = v.First + v.Records
		verdicts = append(verdicts, v)
	}
	if r.bad || len(r.rest) > 0 {
		return nil, fmt.Errorf("verdicts do not decode: %d bytes are left", len(r.rest))
	}
	return verdicts, nil
}

// verdictReader takes a value from the left; bad is set for good at the first
// thing that does not fit.
type verdictReader struct {
	rest []byte
	bad  bool
}

func (r *verdictReader) verdict() Verdict {
	v := Verdict{First: int32(r.number(math.MaxInt32)), Records: int32(r.number(math.MaxInt32))}
	switch r.byte() {
	case outcomeRefused:
		v.At = None
		v.Refusal = string(r.next(r.number(uint64(len(r.rest)))))
		r.bad = r.bad || v.Refusal == ""
	case outcomeRepeat:
		v.At = Offset(r.number(math.MaxInt64))
	default:
		r.bad = true
	}
	return v
}

func (r *verdictReader) byte() byte {
	b := r.next(1)
	if r.bad {
		return 0
	}
	return b[0]
}

func (r *verdictReader) next(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// number reads a number up to a bound.
func (r *verdictReader) number(most uint64) uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.bad || size <= 0 || n > most {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}
