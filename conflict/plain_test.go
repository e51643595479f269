package conflict

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestPlainRecordsAreReadAsAllOthersAre: random headers, most of them right,
// read the quick way where that is sure of itself, and read without it.
func TestPlainRecordsAreReadAsAllOthersAre(t *testing.T) {
	quick := 0
	rapid.Check(t, func(rt *rapid.T) {
		build := record.NewBuilder(record.CodecNone)
		for range rapid.IntRange(1, 5).Draw(rt, "records") {
			build.Add(record.Record{Value: []byte("v"), Headers: drawHeaders(rt)})
		}
		raw, err := build.Build()
		if err != nil {
			rt.Fatal(err)
		}
		batch, _, err := record.View(raw)
		if err != nil {
			rt.Fatal(err)
		}
		recs, err := batch.Open(record.Limits{})
		if err != nil {
			rt.Fatal(err)
		}
		defer recs.Release()
		got, want := new(Request), new(Request)
		got.reset(batch)
		want.reset(batch)
		var refusal *protocol.Refusal
		for w := recs.Walk(); refusal == nil && w.Next(); {
			_, refusal = got.prepareRecord(batch, &w, Optional)
		}
		got.endAppend()
		text := want.readSlowly(batch, &recs)
		if (refusal == nil) != (text == "") || refusal != nil && refusal.Text != text {
			rt.Fatalf("refused with %v, want %q", refusal, text)
		}
		if refusal != nil {
			return
		}
		quick += len(got.records)
		if g, w := got.told(), want.told(); g != w {
			rt.Fatalf("read as\n%s\nwant\n%s", g, w)
		}
	})
	if quick == 0 {
		t.Error("nothing was right in all batches")
	}
}

func (r *Request) readSlowly(b record.Batch, recs *record.Records) string {
	for w := recs.Walk(); w.Next(); {
		if text := r.readRecord(b, &w, Optional); text != "" {
			return text
		}
	}
	r.endAppend()
	return ""
}

// told is all that a request says, without where it keeps its bytes.
func (r *Request) told() string {
	text := fmt.Sprintf("%+v\n%+v\nlast of %d, plain %d, max basis %d\n", r.records, r.appends, r.lastOf, r.plain, r.maxBasis)
	for i := range r.locks {
		l := r.locks[i]
		raw, name := r.rawName(&l), r.name(&l)
		l.at = 0
		text += fmt.Sprintf("%q %q %+v\n", raw, name, l)
	}
	for i := range r.ids {
		text += fmt.Sprintf("%q %+v\n", r.id(int32(i)), r.ids[i].content)
	}
	return text
}

func drawHeaders(rt *rapid.T) (headers []record.Header) {
	keys := []string{protocol.HeaderLockWrite, protocol.HeaderLockRead, protocol.HeaderLockAppend, "other"}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 3, rapid.ID[string]).Draw(rt, "lists") {
		list := rapid.SampledFrom([]string{"", "", "", "", "", "", " "}).Draw(rt, "space in front")
		for i := range rapid.IntRange(1, 4).Draw(rt, "locks") {
			if i > 0 {
				list += rapid.SampledFrom([]string{" ", " ", "  "}).Draw(rt, "space")
			}
			list += rapid.SampledFrom([]string{"a", "b", "acct:1234567890", "acct:123", "*", "%41", "%", "ü", "b\x7f"}).Draw(rt, "name") +
				rapid.SampledFrom([]string{"", "", "", "", "@7", "@none", "@9223372036854775807", "@x"}).Draw(rt, "own")
		}
		list += rapid.SampledFrom([]string{"", "", "", "", "", "", " "}).Draw(rt, "space behind")
		headers = append(headers, record.Header{Key: key, Value: []byte(list)})
	}
	if rapid.IntRange(0, 9).Draw(rt, "basis") > 0 {
		basis := rapid.SampledFrom([]string{"12", "none", "0", "9223372036854775808", "-1"}).Draw(rt, "value")
		headers = append(headers, record.Header{Key: protocol.HeaderLockBasis, Value: []byte(basis)})
	}
	if rapid.IntRange(0, 9).Draw(rt, "id") == 0 {
		headers = append(headers, record.Header{Key: protocol.HeaderLockID, Value: []byte("id")})
	}
	if n := len(headers); n > 0 && rapid.IntRange(0, 9).Draw(rt, "twice") == 0 {
		headers = append(headers, headers[rapid.IntRange(0, n-1).Draw(rt, "which")])
	}
	if rapid.Bool().Draw(rt, "back") {
		slices.Reverse(headers)
	}
	return headers
}
