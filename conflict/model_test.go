package conflict

import (
	"fmt"
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
func (m *model) judge(batch []row, hw int64) (answer string, drop map[int]bool) {
	groups := groupsOf(batch)
	answer, drop = m.repeats(groups)
	if answer == "" {
		answer = m.locks(groups, drop, hw)
	}
	return answer, drop
}

func (m *model) repeats(groups []group) (string, map[int]bool) {
	drop, mine := map[int]bool{}, map[string]group{}
	all, first := true, int64(-1)
	for _, g := range groups {
		old, inLog := m.ids[g.id]
		twin, inBatch := mine[g.id]
		switch {
		case g.id == "":
			all = false
			continue
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

func (m *model) locks(groups []group, drop map[int]bool, hw int64) string {
	marked := map[string]string{} // by lock, and "*": who in this batch
	for _, g := range groups {
		if drop[g.first] {
			continue
		}
		for i, r := range g.rows {
			for _, it := range r.items {
				if it.basis >= hw {
					return fmt.Sprintf("MALFORMED record=%d", g.first+i)
				}
			}
			for _, it := range r.items {
				if it.kind == "lock-append" {
					continue
				}
				if why := m.refuse(it, marked); why != "" {
					return fmt.Sprintf("%s record=%d", why, g.first+i)
				}
			}
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
			m.newest, m.newestBy = first+int64(i), g.id
			for _, it := range r.items {
				if it.kind != "lock-read" && it.name != "*" {
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
