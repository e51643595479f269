package ledger

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// told is a run of a small bank that is right: its log, and what everybody was
// told and believes. Each test spoils it in one way.
type told struct {
	bank   Bank
	logs   [][]Record // by partition
	ends   []int64
	acks   []Ack
	claims []Claim
}

// sound is a run with two partitions. Offsets have gaps, as refused appends
// leave them, also at the end.
func sound() *told {
	b := Bank{Accounts: 7, Partitions: 2}
	r := &told{bank: b}
	for p := range int32(b.Partitions) {
		s := NewState(b, p)
		var log []Record
		offset := int64(0)
		for n := range uint32(20) {
			from, to := int(n)%b.Size(p), int(n+1)%b.Size(p)
			t := Transfer{ID: NewID(uint32(p)+1, n+1), From: b.Account(p, from), To: b.Account(p, to), Amount: 10 + n}
			log = append(log, record(offset, t, offset-1))
			if err := s.Apply(t); err != nil {
				panic(err)
			}
			if n%3 != 0 { // the others do not know
				r.acks = append(r.acks, Ack{t.ID, p, offset})
			}
			if n == 10 {
				r.claims = append(r.claims, Claim{"a view", p, offset, slices.Clone(s.Balances), false})
			}
			offset += 1 + int64(n)%2
		}
		r.logs, r.ends = append(r.logs, log), append(r.ends, offset+1)
		r.claims = append(r.claims, Claim{"a database", p, offset, slices.Clone(s.Balances), true})
	}
	return r
}

func record(offset int64, t Transfer, basis int64) Record {
	text := "none"
	if basis >= 0 {
		text = strconv.FormatInt(basis, 10)
	}
	return Record{Offset: offset, Value: t.Encode(), Write: Locks(t), Basis: []byte(text)}
}

func (r *told) judge() *Judge {
	j := NewJudge(r.bank)
	for _, a := range r.acks {
		j.Ack(a)
	}
	for _, c := range r.claims {
		j.Claim(c)
	}
	for p, log := range r.logs {
		for _, rec := range log {
			j.Record(int32(p), rec)
		}
		j.End(int32(p), r.ends[p])
	}
	return j
}

func TestASoundRunHasNoViolations(t *testing.T) {
	j := sound().judge()
	if wrong := j.Violations(); len(wrong) > 0 {
		t.Errorf("found\n%s", strings.Join(wrong, "\n"))
	}
	if transfers, acks, claims := j.Counts(); transfers != 40 || acks != 26 || claims != 4 {
		t.Errorf("counted %d transfers, %d acks, %d claims", transfers, acks, claims)
	}
}

// change rewrites the transfer at a place of a log.
func (r *told) change(p, at int, f func(*Transfer)) {
	rec := &r.logs[p][at]
	t, err := DecodeTransfer(rec.Value)
	if err != nil {
		panic(err)
	}
	f(&t)
	rec.Value, rec.Write = t.Encode(), Locks(t)
}

// TestEveryPlantedViolationIsFound: each story spoils a sound run, and must be
// found under its name.
func TestEveryPlantedViolationIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*told)
		kind  string
	}{
		"an acknowledged record is gone from the middle": {func(r *told) { r.logs[0] = slices.Delete(r.logs[0], 4, 5) }, "lost acknowledged transfer"},
		"an acknowledged record is gone from the end": {func(r *told) {
			r.logs[1] = r.logs[1][:19]
			r.ends[1] = r.logs[1][18].Offset + 1
			r.claims = nil
		}, "lost acknowledged transfer"},
		"another one is where it was told to be": {func(r *told) { r.change(0, 4, func(t *Transfer) { t.ID = NewID(9, 1) }) }, "lost acknowledged transfer"},
		"one is in the log twice": {func(r *told) {
			again := r.logs[0][19]
			again.Offset = r.ends[0] - 1
			r.logs[0] = append(r.logs[0], again)
		}, "doubled transfer"},
		"one is in two partitions": {func(r *told) { r.change(1, 3, func(t *Transfer) { t.ID = NewID(1, 4) }) }, "doubled transfer"},
		"two were told one offset": {func(r *told) { r.acks = append(r.acks, Ack{NewID(9, 9), 0, r.acks[0].Offset}) }, "two at one offset"},
		"an ack of no partition":   {func(r *told) { r.acks = append(r.acks, Ack{NewID(9, 9), 2, 0}) }, "strange acknowledgement"},
		"the log goes back":        {func(r *told) { r.logs[0][5].Offset = r.logs[0][4].Offset }, "order"},
		"a lost update":            {func(r *told) { r.logs[0][9].Basis = []byte("none") }, "wrong admission"},
		"a basis of the future":    {func(r *told) { r.logs[0][9].Basis = []byte(strconv.FormatInt(r.logs[0][9].Offset, 10)) }, "wrong admission"},
		"a lock is not named":      {func(r *told) { r.logs[0][9].Write = r.logs[0][9].Write[:1] }, "wrong admission"},
		"there is no basis":        {func(r *told) { r.logs[0][9].Basis = nil }, "wrong admission"},
		"an account is overdrawn":  {func(r *told) { r.change(0, 6, func(t *Transfer) { t.Amount = 5000 }) }, "overdraft"},
		"money leaves a partition": {func(r *told) { r.change(0, 6, func(t *Transfer) { t.To++ }) }, "strange record"},
		"a record of another kind": {func(r *told) { r.logs[0][3].Value = []byte("hello") }, "strange record"},
		"a database is off by one": {func(r *told) { r.claims[1].Balances[2]++ }, "false balances"},
		"a view was off by one":    {func(r *told) { r.claims[0].Balances[0]-- }, "false balances"},
		"an account is missing":    {func(r *told) { r.claims[1].Balances = r.claims[1].Balances[1:] }, "false balances"},
		"a record was applied twice": {func(r *told) {
			last, _ := DecodeTransfer(r.logs[0][19].Value)
			r.claims[1].Balances[r.bank.Place(last.From)] -= int64(last.Amount)
			r.claims[1].Balances[r.bank.Place(last.To)] += int64(last.Amount)
		}, "false balances"},
		"a basis is wrong by one":         {func(r *told) { r.claims[0].Basis = r.logs[0][9].Offset }, "false balances"},
		"a database knows more than all":  {func(r *told) { r.claims[1].Basis += 5 }, "false balances"},
		"a database has not come so far":  {func(r *told) { r.claims[0].AtEnd = true }, "late database"},
		"a database stopped before a gap": {func(r *told) { r.claims[1].Basis-- }, "late database"},
	} {
		t.Run(name, func(t *testing.T) {
			r := sound()
			c.spoil(r)
			j := r.judge()
			if j.Found(c.kind) == 0 {
				t.Errorf("no %s was found, but\n%s", c.kind, strings.Join(j.Violations(), "\n"))
			}
		})
	}
}

// TestMoneyThatIsBookedWrongIsFound spoils the replay itself: no log of sound
// transfers changes the total.
func TestMoneyThatIsBookedWrongIsFound(t *testing.T) {
	j := NewJudge(Bank{Accounts: 4, Partitions: 1})
	j.replays[0].Balances[1]++
	j.End(0, 0)
	if j.Found("money") != 1 {
		t.Errorf("found %v", j.Violations())
	}
}

func TestManyViolationsAreToldInFewWords(t *testing.T) {
	r := sound()
	r.logs[0] = nil
	j := r.judge()
	if wrong := j.Violations(); len(wrong) > 5*violationsTold || j.Found("lost acknowledged transfer") != 13 {
		t.Errorf("%d of 13 lost ones were found, in\n%s", j.Found("lost acknowledged transfer"), strings.Join(wrong, "\n"))
	}
}

func TestAccountsAreDealtOutWithoutRest(t *testing.T) {
	for _, b := range []Bank{{1, 1}, {7, 2}, {100, 3}, {3, 3}} {
		n := 0
		for p := range int32(b.Partitions) {
			n += b.Size(p)
			for place := range b.Size(p) {
				if a := b.Account(p, place); b.Partition(a) != p || b.Place(a) != place || int(a) >= b.Accounts {
					t.Errorf("%+v: place %d of partition %d is account %d, which is at %d of %d", b, place, p, a, b.Place(a), b.Partition(a))
				}
			}
		}
		if n != b.Accounts {
			t.Errorf("%+v: %d accounts are dealt out", b, n)
		}
	}
}

func TestTransfersSurviveTheirEncoding(t *testing.T) {
	want := Transfer{ID: NewID(1<<31, 1<<31+5), From: 99_999, To: 7, Amount: 200}
	if got, err := DecodeTransfer(want.Encode()); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := DecodeTransfer(want.Encode()[1:]); err == nil {
		t.Error("a part of a transfer is taken for one")
	}
}
