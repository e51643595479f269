package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// checked is the answer to whether an append would pass just now.
type checked struct {
	Admitted bool          `json:"admitted"`
	Kind     string        `json:"kind,omitempty"` // of the refusal
	Message  string        `json:"message,omitempty"`
	Locks    []checkedLock `json:"locks"`
}

// checkedLock is one of its locks, judged alone.
type checkedLock struct {
	Lock  string           `json:"lock"`
	Kind  string           `json:"kind"`
	Basis *protocol.Offset `json:"basis,omitempty"` // -1: none; a blind write has no basis at all
	Last  protocol.Offset  `json:"last"`
	By    string           `json:"by"`
	Pass  bool             `json:"pass"`
}

// checkParameters are the headers that a check may name, by parameter.
var checkParameters = []struct{ name, header string }{
	{"write", protocol.HeaderLockWrite}, {"read", protocol.HeaderLockRead}, {"append", protocol.HeaderLockAppend},
	{"basis", protocol.HeaderLockBasis},
}

// check judges an append as it would be if it came now, by the same rules, and
// appends nothing: ?write=acct:7&read=limits&basis=12.
func (h *Server) check(w http.ResponseWriter, r *http.Request) {
	t, p, ok := h.partition(w, r.PathValue("topic"), r.PathValue("partition"))
	if !ok {
		return
	}
	headers, err := checkHeaders(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	out, err := wouldPass(t, p, headers)
	switch {
	case errors.Is(err, replica.ErrNotLeader):
		fail(w, http.StatusMisdirectedRequest, "%s-%d is not led by this broker", t.Name, p.Index)
	case err != nil:
		fail(w, http.StatusServiceUnavailable, "%v", err)
	default:
		reply(w, http.StatusOK, out)
	}
}

func checkHeaders(q url.Values) (headers []record.Header, err error) {
	for name, values := range q {
		at := slices.IndexFunc(checkParameters, func(p struct{ name, header string }) bool { return p.name == name })
		if at < 0 {
			return nil, fmt.Errorf("parameter %q is unknown; known are write, read, append and basis", name)
		}
		for _, v := range values {
			headers = append(headers, record.Header{Key: checkParameters[at].header, Value: []byte(v)})
		}
	}
	slices.SortFunc(headers, func(a, b record.Header) int { return checkRank(a) - checkRank(b) })
	return headers, nil
}

func checkRank(h record.Header) int {
	return slices.IndexFunc(checkParameters, func(p struct{ name, header string }) bool { return p.header == h.Key })
}

// wouldPass judges a record with these headers: the whole of it, and each lock
// for itself.
func wouldPass(t *partitions.Topic, p *partitions.Partition, headers []record.Header) (*checked, error) {
	whole, refusal, err := prepareRecord(headers, t.Policy())
	if err != nil {
		return nil, err
	}
	out := &checked{Locks: []checkedLock{}}
	if refusal != nil {
		return out.refused(refusal), nil
	}
	defer whole.Release()
	items := lockItems(headers)
	requests := []*conflict.Request{whole}
	for _, item := range items {
		one, _, err := prepareRecord(alone(item), conflict.Optional)
		if err != nil {
			return nil, err
		}
		defer one.Release()
		requests = append(requests, one)
	}
	verdicts, err := p.Check(requests)
	if err != nil {
		return nil, err
	}
	for i, v := range verdicts {
		if v.Err != nil {
			return nil, v.Err
		}
		if i > 0 {
			state, err := p.Lock(items[i-1])
			if err != nil {
				return nil, err
			}
			out.Locks = append(out.Locks, lockVerdict(items[i-1], state, v))
		}
	}
	if r := verdicts[0].Refusal; r != nil {
		return out.refused(r), nil
	}
	out.Admitted = true
	return out, nil
}

func lockVerdict(item protocol.LockItem, state replica.LockState, v conflict.Verdict) checkedLock {
	c := checkedLock{
		Lock: string(item.Raw), Kind: item.Kind.String(), Last: state.Last, By: state.By, Pass: v.Refusal == nil,
	}
	if item.Kind.Judged() {
		c.Basis = &item.Basis
	}
	if r := v.Refusal; r != nil && r.Kind == protocol.RefusalConflict {
		c.Last, c.By = r.Last, r.By // at the moment of the verdict
	}
	return c
}

func (c *checked) refused(r *protocol.Refusal) *checked {
	c.Kind, c.Message = r.Kind.String(), r.Message()
	return c
}

// prepareRecord is what a record with these headers asks, or how it breaks the
// grammar or the topic's policy.
func prepareRecord(headers []record.Header, policy conflict.Policy) (*conflict.Request, *protocol.Refusal, error) {
	raw, err := record.NewBuilder(record.CodecNone).Add(record.Record{Headers: headers}).Build()
	if err != nil {
		return nil, nil, err
	}
	b, err := record.Parse(raw, record.Limits{})
	if err != nil {
		return nil, nil, err
	}
	recs, request, refusal, err := conflict.Read(b, record.Limits{}, policy)
	if err != nil {
		return nil, nil, err
	}
	defer recs.Release()
	if policy == conflict.Carry && recs.HaveLocks() {
		request.Release()
		return nil, conflict.RefuseCarried(&recs), nil
	}
	return request, refusal, nil
}

// lockItems are the locks that headers name which are known to be right.
func lockItems(headers []record.Header) (items []protocol.LockItem) {
	var q protocol.LockRequest
	q.Reset()
	for _, h := range headers {
		if q.Header([]byte(h.Key), h.Value) != nil {
			return nil
		}
	}
	if q.Finish() != nil {
		return nil
	}
	return q.Items
}

// alone are the headers of a record that names one lock.
func alone(item protocol.LockItem) []record.Header {
	list := slices.Clone(item.Raw)
	if item.Kind.Judged() {
		list = append(append(list, '@'), item.Basis.String()...)
	}
	return []record.Header{{Key: item.Kind.String(), Value: list}}
}
