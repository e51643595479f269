package conflict

import (
	"fmt"
	"slices"
	"strings"
)

// model is the contract's rule in its plainest form: maps, no window, no base.
type model struct {
	offset   map[string]int64  // last(L)
	by       map[string]string // and its writer's lock-id
	ids      map[string]modelAppend
	newest   int64 // last(*); -1: not known
	newestBy string
	history  int64
	open     []*modelTransaction // by their first records
}

// modelTransaction is an open one: what it has written, as it stands in the log.
type modelTransaction struct {
	producer int64
	batches  []folded
}

// transactionOf is a producer's; nil: none.
func (m *model) transactionOf(producer int64) *modelTransaction {
	for _, t := range m.open {
		if t.producer == producer {
			return t
		}
	}
	return nil
}

// rows calls f with each row that the transaction wrote.
func (t *modelTransaction) rows(f func(r row, at int64)) {
	for _, b := range t.batches {
		for i, r := range b.rows {
			if !b.drop[i] {
				f(r, b.base+int64(i))
			}
		}
	}
}

// end decides a transaction: its batches are folded now, or never.
func (m *model) end(producer int64, commit bool) {
	t := m.transactionOf(producer)
	if t == nil {
		return
	}
	m.open = slices.DeleteFunc(m.open, func(o *modelTransaction) bool { return o == t })
	for _, b := range t.batches {
		if commit {
			m.fold(b.rows, b.drop, b.base, b.carried)
		}
	}
}

// held is the refusal of a lock, or of "*", that others' transactions hold.
func (m *model) held(it item, owner int64) string {
	since, by := int64(-1), ""
	for _, t := range m.open {
		if t.producer == owner {
			continue
		}
		first, firstBy, newest := int64(-1), "", int64(-1)
		t.rows(func(r row, at int64) {
			if newest = at; first < 0 {
				first, firstBy = at, r.id
			}
			for _, own := range r.items {
				excludes := own.kind != "lock-read" || it.kind != "lock-read"
				if it.name != "*" && own.name == it.name && excludes && (since < 0 || at < since) {
					since, by = at, r.id
				}
			}
		})
		if it.name == "*" && newest > it.basis && since < 0 {
			since, by = first, firstBy
		}
	}
	if since < 0 || it.name == "*" && it.kind == "lock-append" {
		return ""
	}
	return fmt.Sprintf("HELD lock=%s since=%d by=%s", it.name, since, orDash(by))
}

// heldID is the first offset of an undecided append with an id, and whose it is.
func (m *model) heldID(id string) (a modelAppend, producer int64, ok bool) {
	for _, t := range m.open {
		for _, b := range t.batches {
			for _, g := range groupsOf(b.rows) {
				if g.id == id && !b.drop[g.first] {
					first := b.base + int64(g.first)
					return modelAppend{first, first + int64(len(g.rows)), g.content()}, t.producer, true
				}
			}
		}
	}
	return modelAppend{}, 0, false
}

type modelAppend struct {
	first, end int64
	content    string
}

// item, row and batch are what the property test writes.
type item struct {
	kind  string // lock-write, lock-read, lock-append
	name  string
	basis int64
}

type row struct {
	value, id string
	items     []item
}

func newModel(history int64) *model {
	return &model{offset: map[string]int64{}, by: map[string]string{}, ids: map[string]modelAppend{}, newest: -1, history: history}
}

// group is one append: the rows from first on.
type group struct {
	first int
	rows  []row
	id    string
}

func groupsOf(batch []row) (groups []group) {
	for i, r := range batch {
		if n := len(groups); n > 0 && r.id != "" && groups[n-1].id == r.id {
			groups[n-1].rows = append(groups[n-1].rows, r)
			continue
		}
		groups = append(groups, group{i, []row{r}, r.id})
	}
	return groups
}

func (g group) content() string {
	var b strings.Builder
	for _, r := range g.rows {
		fmt.Fprintf(&b, "%q:", r.value)
		for _, it := range r.items {
			fmt.Fprintf(&b, "%s %s,", it.kind, it.name)
		}
	}
	return b.String()
}

// judge returns what the stable part of the answer must be, and which rows are
// left out.
func (m *model) judge(batch []row, stable, owner int64) (answer string, drop map[int]bool) {
	groups := groupsOf(batch)
	answer, drop = m.repeats(groups, owner)
	if answer == "" {
		answer = m.locks(groups, drop, stable, owner)
	}
	return answer, drop
}

func (m *model) repeats(groups []group, owner int64) (string, map[int]bool) {
	drop, mine := map[int]bool{}, map[string]group{}
	all, first := true, int64(-1)
	for _, g := range groups {
		old, inLog := m.ids[g.id]
		twin, inBatch := mine[g.id]
		undecided, by, held := m.heldID(g.id)
		if !inLog && held && by == owner {
			old, inLog = undecided, true
		}
		switch {
		case g.id == "":
			all = false
			continue
		case !inLog && held:
			return fmt.Sprintf("HELD id=%s since=%d record=%d", g.id, undecided.first, g.first), nil
		case inLog && old.content != g.content():
			return fmt.Sprintf("DUPLICATE id=%s last=%d record=%d", g.id, old.first, g.first), nil
		case !inLog && inBatch && twin.content() != g.content():
			return fmt.Sprintf("DUPLICATE id=%s last=? record=%d", g.id, g.first), nil
		case !inLog && !inBatch:
			mine[g.id], all = g, false
			continue
		case inLog && first < 0:
			first = old.first
		}
		for i := range g.rows {
			drop[g.first+i] = true
		}
	}
	if all {
		return fmt.Sprintf("repeat of %d", first), nil
	}
	return "", drop
}

func (m *model) locks(groups []group, drop map[int]bool, stable, owner int64) string {
	marked := map[string]string{} // by lock, and "*": who in this batch
	for _, g := range groups {
		if drop[g.first] {
			continue
		}
		for i, r := range g.rows {
			for _, it := range r.items {
				if it.basis >= stable {
					return fmt.Sprintf("MALFORMED record=%d", g.first+i)
				}
			}
			for _, it := range r.items {
				why := ""
				if it.kind != "lock-append" {
					why = m.refuse(it, marked)
				}
				if why == "" {
					why = m.held(it, owner)
				}
				if why != "" {
					return fmt.Sprintf("%s record=%d", why, g.first+i)
				}
			}
		}
		if owner >= 0 {
			continue // a transaction has one writer
		}
		for _, r := range g.rows {
			marked["*"] = orDash(g.id)
			for _, it := range r.items {
				if it.kind != "lock-read" && it.name != "*" {
					marked[it.name] = orDash(g.id)
				}
			}
		}
	}
	return ""
}

func (m *model) refuse(it item, marked map[string]string) string {
	last, known := m.offset[it.name]
	by := m.by[it.name]
	if it.name == "*" {
		last, known, by = m.newest, m.newest >= 0, m.newestBy
	}
	mine, inBatch := marked[it.name]
	switch {
	case inBatch:
		return fmt.Sprintf("CONFLICT lock=%s last=? basis=%s by=%s", it.name, basisText(it.basis), mine)
	case known && last > it.basis:
		return fmt.Sprintf("CONFLICT lock=%s last=%d basis=%s by=%s", it.name, last, basisText(it.basis), orDash(by))
	case !known && it.basis+1 < m.history:
		return fmt.Sprintf("UNKNOWN lock=%s last=? basis=%s by=-", it.name, basisText(it.basis))
	}
	return ""
}

// fold notes an admitted batch, or one that was carried: that one's ids are those
// of the first append that had them.
func (m *model) fold(batch []row, drop map[int]bool, base int64, carried bool) {
	for _, g := range groupsOf(batch) {
		if drop[g.first] {
			continue
		}
		first := base + int64(g.first)
		if _, known := m.ids[g.id]; g.id != "" && !(known && carried) {
			m.ids[g.id] = modelAppend{first, first + int64(len(g.rows)), g.content()}
		}
		for i, r := range g.rows {
			if at := first + int64(i); at > m.newest {
				m.newest, m.newestBy = at, g.id
			}
			for _, it := range r.items {
				last, known := m.offset[it.name]
				if it.kind != "lock-read" && it.name != "*" && (!known || last < first+int64(i)) {
					m.offset[it.name], m.by[it.name] = first+int64(i), g.id
				}
			}
		}
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func basisText(basis int64) string {
	if basis < 0 {
		return "none"
	}
	return fmt.Sprint(basis)
}
