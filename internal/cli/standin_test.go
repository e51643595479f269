package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// standin is the least that a script can take for a broker: kfake's log, the
// rule of locks for one record at a time, and the HTTP side.
type standin struct {
	cluster  *kfake.Cluster
	versions kmsg.ApiVersionsResponse
	http     string

	mu struct {
		sync.Mutex
		next     map[string]int64 // by topic/partition
		last     map[string]mark  // by topic/partition/lock
		refusals []saidRefusal
		ready    bool
		down     bool // a second broker
	}
}

type mark struct {
	last    int64
	by      string
	refused int
}

// startStandin gives a script $B, $H and their variables: LOCKSTEP_BROKERS and
// LOCKSTEP_HTTP. $PLAIN is a Kafka that knows nothing of locks, $AILING the HTTP
// side of a cluster that is not well.
func startStandin(env *testscript.Env) error {
	upTo := kversion.Stable()
	upTo.SetMaxKeyVersion(protocol.KeyProduce, 11) // topics by name
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(upTo), kfake.SeedTopics(1, "accounts"), kfake.DefaultNumPartitions(2))
	if err != nil {
		return err
	}
	env.Defer(cluster.Close)
	plain, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "accounts"))
	if err != nil {
		return err
	}
	env.Defer(plain.Close)
	s := &standin{cluster: cluster}
	s.mu.next, s.mu.last, s.mu.ready = map[string]int64{}, map[string]mark{}, true
	if err := s.learnVersions(); err != nil {
		return err
	}
	cluster.ControlKey(protocol.KeyApiVersions, s.apiVersions)
	cluster.ControlKey(protocol.KeyProduce, s.produce)
	web := httptest.NewServer(s.handler())
	env.Defer(web.Close)
	ailing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, ailingCluster()) }))
	env.Defer(ailing.Close)
	addr := strings.TrimPrefix(web.URL, "http://")
	s.http = addr
	for k, v := range map[string]string{
		"B": cluster.ListenAddrs()[0], "H": addr, "PLAIN": plain.ListenAddrs()[0],
		"LOCKSTEP_BROKERS": cluster.ListenAddrs()[0], "LOCKSTEP_HTTP": addr,
		"AILING": strings.TrimPrefix(ailing.URL, "http://"),
	} {
		env.Setenv(k, v)
	}
	return nil
}

// learnVersions keeps what kfake says, to say it again with our feature.
func (s *standin) learnVersions() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.ListenAddrs()...))
	if err != nil {
		return err
	}
	defer client.Close()
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(context.Background(), client)
	if err != nil {
		return err
	}
	feature := kmsg.NewApiVersionsResponseSupportedFeature()
	feature.Name, feature.MinVersion, feature.MaxVersion = "conflict.version", 1, 1
	resp.SupportedFeatures = append(resp.SupportedFeatures, feature)
	s.versions = *resp
	return nil
}

func (s *standin) apiVersions(req kmsg.Request) (kmsg.Response, error, bool) {
	s.cluster.KeepControl()
	if req.GetVersion() > s.versions.GetVersion() {
		return nil, nil, false
	}
	resp := s.versions
	resp.SetVersion(req.GetVersion())
	return &resp, nil, true
}

// produce judges each batch of one record, and lets kfake write what passes.
func (s *standin) produce(kreq kmsg.Request) (kmsg.Response, error, bool) {
	s.cluster.KeepControl()
	s.mu.Lock()
	defer s.mu.Unlock()
	req := kreq.(*kmsg.ProduceRequest)
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			code, text := s.judge(t.Topic, p.Partition, p.Records)
			if code != 0 {
				return refuse(req, code, text), nil, true
			}
		}
	}
	return nil, nil, false
}

func (s *standin) judge(topic string, partition int32, raw []byte) (int16, string) {
	batch, err := record.Parse(raw, record.Limits{})
	if err != nil {
		return kerr.CorruptMessage.Code, err.Error()
	}
	records, err := batch.Open(record.Limits{})
	if err != nil {
		return kerr.CorruptMessage.Code, err.Error()
	}
	defer records.Release()
	at := fmt.Sprintf("%s/%d", topic, partition)
	w := records.Walk()
	for w.Next() {
		if code, text := s.judgeRecord(at, topic, partition, &w); code != 0 {
			return code, text
		}
		s.mu.next[at]++
	}
	return 0, ""
}

func (s *standin) judgeRecord(at, topic string, partition int32, w *record.Walker) (int16, string) {
	var q protocol.LockRequest
	q.Reset()
	headers := w.Headers()
	for k, v, ok := headers.Next(); ok; k, v, ok = headers.Next() {
		if err := q.Header(k, v); err != nil {
			return kerr.InvalidRecord.Code, fmt.Sprintf("MALFORMED record=%d: %v", w.Index, err)
		}
	}
	if err := q.Finish(); err != nil {
		return kerr.InvalidRecord.Code, fmt.Sprintf("MALFORMED record=%d: %v", w.Index, err)
	}
	for _, item := range q.Items {
		m, written := s.mu.last[at+"/"+string(item.Raw)]
		if item.Kind.Judged() && written && m.last > int64(item.Basis) {
			m.refused++
			s.mu.last[at+"/"+string(item.Raw)] = m
			return kerr.PolicyViolation.Code, s.refused(topic, partition, &q, item, m)
		}
	}
	for _, item := range q.Items {
		if item.Kind.Marks() {
			key := at + "/" + string(item.Raw)
			s.mu.last[key] = mark{s.mu.next[at], orDash(q.ID), s.mu.last[key].refused}
		}
	}
	return 0, ""
}

func (s *standin) refused(topic string, partition int32, q *protocol.LockRequest, item protocol.LockItem, m mark) string {
	text := conflictText(item, m)
	s.mu.refusals = append(s.mu.refusals, saidRefusal{
		Time:  time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		Topic: topic, Partition: partition, ID: string(q.ID), Message: text})
	return text
}

func conflictText(item protocol.LockItem, m mark) string {
	return fmt.Sprintf("CONFLICT lock=%s last=%d basis=%s by=%s record=0: lock %q was written at offset %d, after your basis %s; read up to offset %d and try again",
		item.Raw, m.last, item.Basis, m.by, item.Raw, m.last, item.Basis, m.last)
}

func orDash(id []byte) string {
	if id == nil {
		return "-"
	}
	return string(id)
}

func (s *standin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status/live", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "live"})
	})
	mux.HandleFunc("GET /v1/status/ready", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.mu.ready {
			answer(w, http.StatusServiceUnavailable, map[string]string{"error": "partition accounts/0 has no leader"})
			return
		}
		answer(w, http.StatusOK, map[string]string{"status": "ready"})
	})
	mux.HandleFunc("PUT /ready/{is}", func(_ http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.ready = r.PathValue("is") == "yes"
	})
	mux.HandleFunc("GET /v1/cluster/health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, wellCluster())
	})
	mux.HandleFunc("PUT /down/2", func(http.ResponseWriter, *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.down = true
	})
	mux.HandleFunc("GET /v1/brokers", s.brokers)
	mux.HandleFunc("GET /v1/locks/{topic}", s.locks)
	mux.HandleFunc("GET /v1/locks/{topic}/{partition}", s.check)
	mux.HandleFunc("GET /v1/conflicts", s.conflicts)
	return mux
}

// wellCluster is what a broker says of a cluster that is well.
func wellCluster() map[string]any {
	return map[string]any{
		"healthy": true, "degraded": false, "cluster_id": "standin", "controller": 1, "brokers": []int32{1}, "missing_brokers": []int32{},
		"topics": 1, "partitions": 1, "metadata_store": "available", "problems": []string{},
		"offline_partitions": []any{}, "under_min_isr_partitions": []any{}, "under_replicated_partitions": []any{}, "left_out": 0,
	}
}

// ailingCluster is one that a broker is missing from.
func ailingCluster() map[string]any {
	h := wellCluster()
	h["degraded"], h["brokers"], h["missing_brokers"] = true, []int32{1, 2}, []int32{3}
	h["under_replicated_partitions"] = []map[string]any{{"topic": "accounts", "partition": 0, "reason": "broker 3 is down"}}
	return h
}

// saidRefusal is an entry of a broker's ring of refusals.
type saidRefusal struct {
	Time      time.Time `json:"time"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	ID        string    `json:"id,omitempty"`
	Message   string    `json:"message"`
}

// said is a leader's judgement of an append that is not made, and saidLock that of one lock.
type said struct {
	Admitted bool       `json:"admitted"`
	Kind     string     `json:"kind"`
	Message  string     `json:"message"`
	Locks    []saidLock `json:"locks"`
}

type saidLock struct {
	Lock  string           `json:"lock"`
	Kind  string           `json:"kind"`
	Basis *protocol.Offset `json:"basis,omitempty"`
	Last  protocol.Offset  `json:"last"`
	By    string           `json:"by"`
	Pass  bool             `json:"pass"`
}

// brokers has a second broker that is down, where the script asks for it: PUT /down/2.
func (s *standin) brokers(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []map[string]any{{"id": 1, "live": true, "http": s.http}}
	if s.mu.down {
		list = append(list, map[string]any{"id": 2, "live": false})
	}
	answer(w, http.StatusOK, map[string]any{"broker": 1, "cluster_id": "standin", "brokers": list})
}

func (s *standin) locks(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	topic := r.PathValue("topic")
	if topic != "accounts" {
		answer(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("topic %q does not exist", topic)})
		return
	}
	list := []map[string]any{}
	for _, name := range r.URL.Query()["lock"] {
		if m, ok := s.mu.last[topic+"/0/"+name]; ok {
			list = append(list, map[string]any{"partition": 0, "lock": name, "last": m.last, "by": strings.TrimPrefix(m.by, "-"), "refused": m.refused})
		}
	}
	answer(w, http.StatusOK, map[string]any{"topic": topic, "partitions": 1, "leads": []int32{0}, "locks": list})
}

// check judges as produce does, one record.
func (s *standin) check(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := r.PathValue("topic") + "/" + r.PathValue("partition")
	var q protocol.LockRequest
	q.Reset()
	err := error(nil)
	for _, p := range []struct{ name, header string }{{"write", protocol.HeaderLockWrite}, {"read", protocol.HeaderLockRead}, {"basis", protocol.HeaderLockBasis}} {
		if v := r.URL.Query().Get(p.name); v != "" && err == nil {
			err = q.Header([]byte(p.header), []byte(v))
		}
	}
	if err == nil {
		err = q.Finish()
	}
	if err == nil && int64(q.MaxBasis()) >= s.mu.next[at] {
		err = fmt.Errorf("basis %d is at or beyond the high watermark %d, so nobody can have read it; give the offset of the last record you have read, or none",
			q.MaxBasis(), s.mu.next[at])
	}
	out := said{Admitted: true, Locks: []saidLock{}}
	if err != nil {
		out = said{Kind: "MALFORMED", Message: fmt.Sprintf("MALFORMED record=0: %v", err), Locks: []saidLock{}}
	}
	for _, item := range q.Items {
		m, written := s.mu.last[at+"/"+string(item.Raw)]
		c := saidLock{Lock: string(item.Raw), Kind: item.Kind.String(), Basis: &item.Basis, Last: protocol.None, Pass: err == nil}
		if written {
			c.Last, c.By = protocol.Offset(m.last), strings.TrimPrefix(m.by, "-")
		}
		if out.Admitted && written && m.last > int64(item.Basis) {
			c.Pass, out.Admitted, out.Kind, out.Message = false, false, "CONFLICT", conflictText(item, m)
		}
		out.Locks = append(out.Locks, c)
	}
	answer(w, http.StatusOK, map[string]any{"admitted": out.Admitted, "kind": out.Kind, "message": out.Message, "locks": out.Locks})
}

func (s *standin) conflicts(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []saidRefusal{}
	if t := r.FormValue("topic"); t != "" && t != "accounts" {
		answer(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("topic %q does not exist", t)})
		return
	}
	for _, c := range s.mu.refusals {
		if id := r.FormValue("id"); id == "" || id == c.ID {
			list = append(list, c)
		}
	}
	answer(w, http.StatusOK, list)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(req *kmsg.ProduceRequest, code int16, text string) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	p := kmsg.NewProduceResponseTopicPartition()
	p.Partition, p.ErrorCode, p.BaseOffset, p.ErrorMessage = req.Topics[0].Partitions[0].Partition, code, -1, &text
	t := kmsg.NewProduceResponseTopic()
	t.Topic, t.Partitions = req.Topics[0].Topic, append(t.Partitions, p)
	resp.Topics = append(resp.Topics, t)
	return resp
}
