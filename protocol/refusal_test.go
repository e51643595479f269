package protocol

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// refusalTexts is the contract's section on refusals, to the letter, and the
// cases that it leaves to its own pattern.
var refusalTexts = []struct {
	refusal Refusal
	text    string
}{
	{
		Refusal{Kind: RefusalConflict, Lock: "acct:7", Last: 18, Basis: 12, By: "req-9"},
		`CONFLICT lock=acct:7 last=18 basis=12 by=req-9 record=0: lock "acct:7" was written at offset 18, after your basis 12; read up to offset 18 and try again`,
	}, {
		Refusal{Kind: RefusalConflict, Lock: "*", Last: 18, Basis: 12},
		`CONFLICT lock=* last=18 basis=12 by=- record=0: the partition has offset 18, after your basis 12; read up to offset 18 and try again`,
	}, {
		Refusal{Kind: RefusalConflict, Record: 1, Lock: "acct:7", Last: None, LastInBatch: true, Basis: 12, By: "req-8"},
		`CONFLICT lock=acct:7 last=? basis=12 by=req-8 record=1: lock "acct:7" is written by record 0 of the same batch; send them one after the other`,
	}, {
		Refusal{Kind: RefusalConflict, Record: 1, Lock: "*", Last: None, LastInBatch: true, Basis: 12},
		`CONFLICT lock=* last=? basis=12 by=- record=1: the partition has record 0 of the same batch; send them one after the other`,
	}, {
		Refusal{Kind: RefusalConflict, Lock: "acct:7", Last: 18, Basis: None},
		`CONFLICT lock=acct:7 last=18 basis=none by=- record=0: lock "acct:7" was written at offset 18, after your basis none; read up to offset 18 and try again`,
	}, {
		Refusal{Kind: RefusalConflict, Lock: "a%20b", Last: 0, Basis: None, By: "x=1:y", Record: 3},
		`CONFLICT lock=a%20b last=0 basis=none by=x=1:y record=3: lock "a%20b" was written at offset 0, after your basis none; read up to offset 0 and try again`,
	}, {
		Refusal{Kind: RefusalConflict, Lock: "%2A", Last: 18, Basis: 12},
		`CONFLICT lock=%2A last=18 basis=12 by=- record=0: lock "%2A" was written at offset 18, after your basis 12; read up to offset 18 and try again`,
	}, {
		Refusal{Kind: RefusalUnknown, Lock: "acct:7", Last: None, Basis: 12, HistoryStart: 4000},
		`UNKNOWN lock=acct:7 last=? basis=12 by=- record=0: basis 12 is older than the lock history kept here, which starts at 4000; read up to the end and try again`,
	}, {
		Refusal{Kind: RefusalConflict, Lock: "acct:7", Last: 18, Basis: None, LogStart: 19},
		`CONFLICT lock=acct:7 last=18 basis=none by=- record=0: lock "acct:7" was written at offset 18, after your basis none; that record is gone, since the log starts at 19 by now: read on from there and try again; if nothing is left to read, with basis 18`,
	}, {
		Refusal{Kind: RefusalConflict, Lock: "*", Last: 18, Basis: 12, LogStart: 30},
		`CONFLICT lock=* last=18 basis=12 by=- record=0: the partition had offset 18, after your basis 12; that record is gone, since the log starts at 30 by now: read on from there and try again; if nothing is left to read, with basis 29`,
	}, {
		Refusal{Kind: RefusalConflict, Lock: "acct:7", Last: 18, Basis: 12, LogStart: 18},
		`CONFLICT lock=acct:7 last=18 basis=12 by=- record=0: lock "acct:7" was written at offset 18, after your basis 12; read up to offset 18 and try again`,
	}, {
		Refusal{Kind: RefusalConflict, Record: 1, Lock: "acct:7", Last: None, LastInBatch: true, Basis: 12, LogStart: 30},
		`CONFLICT lock=acct:7 last=? basis=12 by=- record=1: lock "acct:7" is written by record 0 of the same batch; send them one after the other`,
	}, {
		Refusal{Kind: RefusalUnknown, Lock: "acct:7", Last: None, Basis: 12, HistoryStart: 4000, LogStart: 4100},
		`UNKNOWN lock=acct:7 last=? basis=12 by=- record=0: basis 12 is older than the lock history kept here, which starts at 4000; read up to the end and try again; if nothing is left to read, with basis 4099`,
	}, {
		Refusal{Kind: RefusalHeld, Lock: "acct:7", Last: 31, Basis: None, By: "req-8"},
		`HELD lock=acct:7 since=31 by=req-8 record=0: lock "acct:7" is held since offset 31 by a transaction that is still open; try again when it has ended`,
	}, {
		Refusal{Kind: RefusalHeld, Lock: "*", Last: 31, Basis: None, Record: 2},
		`HELD lock=* since=31 by=- record=2: the partition has offset 31 in a transaction that is still open; try again when it has ended`,
	}, {
		Refusal{Kind: RefusalHeld, ID: "req-9", Last: 31, Basis: None},
		`HELD id=req-9 since=31 record=0: "req-9" stands at offset 31 in a transaction that is still open; try again when it has ended`,
	}, {
		Refusal{Kind: RefusalDuplicate, ID: "req-9", Last: 18, Basis: None},
		`DUPLICATE id=req-9 last=18 record=0: "req-9" was appended at offset 18 with other content`,
	}, {
		Refusal{Kind: RefusalDuplicate, ID: "req-9", Last: None, LastInBatch: true, EarlierRecord: 1, Record: 2, Basis: None},
		`DUPLICATE id=req-9 last=? record=2: "req-9" is appended by record 1 of the same batch with other content`,
	}, {
		Refusal{Kind: RefusalMalformed, Last: None, Basis: None, Text: `header "lock-wirte" is unknown; did you mean lock-write? (lock-write, lock-read, lock-append, lock-basis, lock-id)`},
		`MALFORMED record=0: header "lock-wirte" is unknown; did you mean lock-write? (lock-write, lock-read, lock-append, lock-basis, lock-id)`,
	}, {
		Refusal{Kind: RefusalMalformed, Last: None, Basis: None, Text: `lock "acct:7" has no basis; add lock-basis with the offset of the last record you have read, or none`},
		`MALFORMED record=0: lock "acct:7" has no basis; add lock-basis with the offset of the last record you have read, or none`,
	},
}

func TestRefusalTextsAreTheContractsToTheLetter(t *testing.T) {
	for _, tt := range refusalTexts {
		equal(t, tt.text, tt.refusal.Message())
		equal(t, tt.text, tt.refusal.Error())
	}
}

func TestMalformedTextsOfTheParserAreTheContracts(t *testing.T) {
	var q LockRequest
	refused(t, q.Header([]byte("lock-wirte"), nil), refusalTexts[len(refusalTexts)-2].refusal.Text)
	noError(t, q.Header([]byte(HeaderLockWrite), []byte("acct:7")))
	refused(t, q.Finish(), refusalTexts[len(refusalTexts)-1].refusal.Text)
}

func TestParseRefusalReadsWhatStandsBeforeTheColon(t *testing.T) {
	for _, tt := range refusalTexts {
		want := tt.refusal
		want.EarlierRecord, want.HistoryStart, want.LogStart = 0, 0, 0
		got, ok := ParseRefusal(tt.text)
		equal(t, true, ok)
		equal(t, want, got)
	}
}

func TestParseRefusalRefusesOtherTexts(t *testing.T) {
	for _, text := range []string{
		"",
		"CONFLICT",
		"conflict lock=a last=1 basis=0 by=- record=0: x",
		"CONFLICT lock=a last=1 basis=0 by=- record=0",       // no colon
		"CONFLICT lock=a last=1 basis=0 by=- record=0:x",     // nor a space
		"CONFLICT lock= last=1 basis=0 by=- record=0: x",     // no lock
		"CONFLICT last=1 lock=a basis=0 by=- record=0: x",    // another order
		"CONFLICT  lock=a last=1 basis=0 by=- record=0: x",   // two spaces
		"CONFLICT lock=a last=none basis=0 by=- record=0: x", // a lock never written conflicts with nobody
		"CONFLICT lock=a last=01 basis=0 by=- record=0: x",
		"CONFLICT lock=a last=+1 basis=0 by=- record=0: x",
		"CONFLICT lock=a last=1 basis=-1 by=- record=0: x",
		"CONFLICT lock=a last=1 basis=0 by=- record=-1: x",
		"CONFLICT lock=a last=1 basis=0 by=- record=2147483648: x",
		"CONFLICT lock=a last=9223372036854775808 basis=0 by=- record=0: x",
		"UNKNOWN lock=a last=1 basis=0 by=- record=0: x",
		"DUPLICATE lock=a last=1 record=0: x",
		"Broker: Policy violation",
	} {
		if r, ok := ParseRefusal(text); ok {
			t.Errorf("%q was read as %+v", text, r)
		}
	}
}

// word is what may stand as a lock or an id: anything without a space.
var word = rapid.Custom(func(t *rapid.T) string {
	return rapid.StringOfN(rapid.OneOf(rapid.SampledFrom([]rune("=:?*-%\"@aZ0")), rapid.Rune().Filter(func(r rune) bool { return r > ' ' })), 1, 40, -1).Draw(t, "word")
})

func TestEveryRefusalSurvivesItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Refusal{
			Kind:   RefusalKind(rapid.IntRange(1, 4).Draw(t, "kind")),
			Record: rapid.Int32Min(0).Draw(t, "record"), Last: None, Basis: None,
		}
		inBatch := rapid.Bool().Draw(t, "in batch")
		switch r.Kind {
		case RefusalConflict, RefusalUnknown:
			r.Lock = word.Draw(t, "lock")
			r.Basis = Offset(rapid.Int64Min(-1).Draw(t, "basis"))
			if r.By = word.Draw(t, "by"); r.By == "-" {
				r.By = ""
			}
		case RefusalDuplicate:
			r.ID = word.Draw(t, "id")
		default:
			r.Text = rapid.String().Draw(t, "text")
		}
		if r.Kind == RefusalConflict || r.Kind == RefusalDuplicate {
			if r.LastInBatch = inBatch; !inBatch {
				r.Last = Offset(rapid.Int64Min(0).Draw(t, "last"))
			}
		}
		got, ok := ParseRefusal(r.Message())
		if !ok || got != r {
			t.Fatalf("%q\nwant %+v\n got %+v", r.Message(), r, got)
		}
	})
}

// FuzzParseRefusal: what is read is what Message would write, up to the colon.
func FuzzParseRefusal(f *testing.F) {
	for _, tt := range refusalTexts {
		f.Add(tt.text)
	}
	f.Add("CONFLICT lock=record=0: last=1 basis=none by=record=1: record=2: x")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := ParseRefusal(text)
		if !ok {
			return
		}
		head := string(r.appendHead(nil)) + ": "
		if !strings.HasPrefix(text, head) {
			t.Fatalf("%q was read as %q", text, head)
		}
	})
}

func TestRefusalWithoutAKindSaysSo(t *testing.T) {
	equal(t, "RefusalKind(0)", RefusalKind(0).String())
	equal(t, "RefusalKind(9)", RefusalKind(9).String())
}
