package conformance

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
)

// scenario is one of scenarios.json. The topic is made with its settings; without any, with conflict.policy=required.
type scenario struct {
	Name     string            `json:"name"`
	Settings map[string]string `json:"settings"`
	Steps    []step            `json:"steps"`
}

// step is of the kind of the one field that is set.
type step struct {
	Headers    *request        `json:"headers"`
	Parse      *string         `json:"parse"`
	Append     *request        `json:"append"`
	Together   []step          `json:"together"`
	Move       []any           `json:"move"`
	Meanwhile  *request        `json:"meanwhile"`
	View       *viewStep       `json:"view"`
	State      json.RawMessage `json:"state"`
	Basis      *int64          `json:"basis"`
	Kill       string          `json:"kill"`
	Start      string          `json:"start"`
	Delete     *int64          `json:"delete records"`
	Log        *[]string       `json:"log"`
	SideBySide [][]string      `json:"side by side"`
	Count      int             `json:"count"`
	Transfers  *transfers      `json:"transfers"`
	Client     *clientStep     `json:"client"`
	Total      *int            `json:"total"`
	Audit      bool            `json:"audit"`
	Want       json.RawMessage `json:"want"`
}

type request struct {
	Locks     []string          `json:"locks"`
	Basis     *int64            `json:"basis"`
	ID        string            `json:"id"`
	Records   []json.RawMessage `json:"records"`
	TimeoutMs int               `json:"timeout_ms"`
}

type viewStep struct {
	Basis    *int64 `json:"basis"`
	AllowCut bool   `json:"allow_cut"`
}

type transfers struct {
	Threads     int `json:"threads"`
	Each        int `json:"each"`
	KillEveryMs int `json:"kill_broker_every_ms"`
	Kills       int `json:"kills"`
}

type clientStep struct {
	KillAfterMs int `json:"kill_after_ms"`
}

func readScenarios() (all []scenario, err error) {
	text, err := os.ReadFile("scenarios.json")
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	return all, err
}

// lockOf reads "write NAME", with "@BASIS" or "@none" behind it.
func lockOf(text string) client.Lock {
	kind, name, _ := strings.Cut(text, " ")
	cut := name
	if kind, at, own := strings.Cut(text, "@"); own && strings.HasPrefix(kind, "partition") {
		n, _ := strconv.ParseInt(at, 10, 64)
		return client.Partition().At(n)
	}
	own := int64(-2)
	if at := strings.LastIndexByte(name, '@'); at >= 0 {
		if n, err := strconv.ParseInt(name[at+1:], 10, 64); err == nil {
			cut, own = name[:at], n
		} else if name[at+1:] == "none" {
			cut, own = name[:at], client.None
		}
	}
	var l client.Lock
	switch kind {
	case "write":
		l = client.Write(cut)
	case "read":
		l = client.Read(cut)
	case "append":
		l = client.Append(cut)
	default:
		l = client.Partition()
	}
	if own != -2 {
		l = l.At(own)
	}
	return l
}

func (q *request) cond() client.Cond {
	c := client.Cond{ID: q.ID, Basis: client.None}
	if q.Basis != nil {
		c.Basis = *q.Basis
	}
	for _, l := range q.Locks {
		c.Locks = append(c.Locks, lockOf(l))
	}
	return c
}

func (q *request) records() (records []*kgo.Record) {
	for _, raw := range q.Records {
		var pair []string
		var value string
		if json.Unmarshal(raw, &pair) == nil {
			records = append(records, &kgo.Record{Key: []byte(pair[0]), Value: []byte(pair[1])})
		} else if json.Unmarshal(raw, &value) == nil {
			records = append(records, &kgo.Record{Value: []byte(value)})
		}
	}
	return records
}
