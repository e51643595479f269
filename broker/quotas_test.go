package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/quota"
)

// limitRequest sets one limit; parts are types and names, "" is the default. A value
// below 0 removes it.
func limitRequest(key string, value float64, parts ...string) *kmsg.AlterClientQuotasRequest {
	req := kmsg.NewPtrAlterClientQuotasRequest()
	e := kmsg.AlterClientQuotasRequestEntry{Ops: []kmsg.AlterClientQuotasRequestEntryOp{{Key: key, Value: value, Remove: value < 0}}}
	for i := 0; i+1 < len(parts); i += 2 {
		p := kmsg.AlterClientQuotasRequestEntryEntity{Type: parts[i]}
		if parts[i+1] != "" {
			p.Name = &parts[i+1]
		}
		e.Entity = append(e.Entity, p)
	}
	req.Entries = append(req.Entries, e)
	return req
}

func (w *wire) quota(req *kmsg.AlterClientQuotasRequest) int16 {
	return ask[*kmsg.AlterClientQuotasResponse](w, 1, req).Entries[0].ErrorCode
}

// Who produces and fetches more than he may is answered at once, told to wait, and not
// heard before, until the quota is lifted: then at once.
func TestWhoIsBeyondHisQuotaWaits(t *testing.T) {
	s, _ := startServer(t, withoutDelay)
	w, other := dial(t, s.Addr("")), dial(t, s.Addr(""))
	w.createTopic("q", 1)
	if code := other.quota(limitRequest(quota.ProducerByteRate, 1, "user", "ANONYMOUS")); code != 0 {
		t.Fatal(code)
	}
	produce := kmsg.NewPtrProduceRequest()
	produce.Acks, produce.TimeoutMillis = -1, 5000
	produce.Topics = []kmsg.ProduceRequestTopic{{Topic: "q", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: lockBatch(t)}}}}
	began := time.Now()
	resp := ask[*kmsg.ProduceResponse](w, 9, produce)
	if p := resp.Topics[0].Partitions[0]; p.ErrorCode != 0 || time.Since(began) > 3*time.Second {
		t.Fatalf("the write: code %d after %v", p.ErrorCode, time.Since(began))
	}
	if resp.ThrottleMillis < 100 || resp.ThrottleMillis > quota.ThrottleMaxMs {
		t.Errorf("throttle %d ms", resp.ThrottleMillis)
	}
	answered := make(chan time.Time, 1)
	go func() {
		ask[*kmsg.MetadataResponse](w, 9, metadataRequest("q"))
		answered <- time.Now()
	}()
	select {
	case <-answered:
		t.Error("the connection is heard while its client is to wait")
	case <-time.After(200 * time.Millisecond):
	}
	lifted := time.Now()
	if code := other.quota(limitRequest(quota.ProducerByteRate, -1, "user", "ANONYMOUS")); code != 0 {
		t.Fatal(code)
	}
	if took := (<-answered).Sub(lifted); took > 3*time.Second {
		t.Errorf("heard %v after the quota was lifted", took)
	}
	if code := other.quota(limitRequest(quota.ConsumerByteRate, 1, "client-id", "wire")); code != 0 {
		t.Fatal(code)
	}
	fetch := kmsg.NewPtrFetchRequest()
	fetch.ReplicaID, fetch.MaxBytes, fetch.SessionEpoch = -1, 1<<20, -1
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.PartitionMaxBytes = 1 << 20
	fetch.Topics = []kmsg.FetchRequestTopic{{Topic: "q", Partitions: []kmsg.FetchRequestTopicPartition{rp}}}
	if got := ask[*kmsg.FetchResponse](w, 11, fetch); got.ThrottleMillis < 1000 || len(got.Topics[0].Partitions[0].RecordBatches) == 0 {
		t.Errorf("fetched with a throttle of %d ms", got.ThrottleMillis)
	}
}

// Quotas are changed, refused and listed as Kafka does, but for what Kafka applies
// behind an error, and what is not carried out.
func TestQuotasAreAlteredAndDescribed(t *testing.T) {
	s, _ := startServer(t, withoutDelay)
	w := dial(t, s.Addr(""))
	for _, c := range []struct {
		req  *kmsg.AlterClientQuotasRequest
		code int16
	}{
		{limitRequest("producer_byte_rate", 100, "user", "a", "client-id", ""), 0},
		{limitRequest("consumer_byte_rate", 200, "user", ""), 0},
		{limitRequest("producer_byte_rate", 300, "client-id", "a/b=c"), 0},
		{limitRequest("producer_byte_rate", 0, "user", "a"), kerr.InvalidRequest.Code},
		{limitRequest("producer_byte_rate", 1.5, "user", "a"), kerr.InvalidRequest.Code},
		{limitRequest("request_percentage", 50, "user", "a"), kerr.InvalidRequest.Code},
		{limitRequest("connection_creation_rate", 5, "ip", "10.0.0.1"), kerr.InvalidRequest.Code},
		{limitRequest("producer_byte_rate", 5, "planet", "a"), kerr.InvalidRequest.Code},
		{limitRequest("producer_byte_rate", 5), kerr.InvalidRequest.Code},
		{limitRequest("no_such_key", -1, "user", "absent"), 0},
	} {
		if code := w.quota(c.req); code != c.code {
			t.Errorf("%+v: code %d, want %d", c.req.Entries, code, c.code)
		}
	}
	twice := limitRequest("producer_byte_rate", 7, "user", "twice")
	twice.Entries = append(twice.Entries, twice.Entries[0])
	if code := w.quota(twice); code != kerr.InvalidRequest.Code {
		t.Errorf("an entity that is named twice: %d", code)
	}
	dry := limitRequest("producer_byte_rate", 7, "user", "dry")
	dry.ValidateOnly = true
	if code := w.quota(dry); code != 0 {
		t.Error(code)
	}
	describe := func(strict bool, components ...kmsg.DescribeClientQuotasRequestComponent) (lines []string) {
		req := kmsg.NewPtrDescribeClientQuotasRequest()
		req.Strict, req.Components = strict, components
		for _, e := range ask[*kmsg.DescribeClientQuotasResponse](w, 1, req).Entries {
			line := ""
			for _, p := range e.Entity {
				line += p.Type + "=" + orEmpty(p.Name) + " "
			}
			for _, v := range e.Values {
				line += fmt.Sprintf("%s:%v", v.Key, v.Value)
			}
			lines = append(lines, line)
		}
		return lines
	}
	anyUser := kmsg.DescribeClientQuotasRequestComponent{EntityType: "user", MatchType: 2}
	defaultUser := kmsg.DescribeClientQuotasRequestComponent{EntityType: "user", MatchType: 1}
	for _, c := range []struct{ got, want []string }{
		{describe(false), []string{"client-id=a/b=c producer_byte_rate:300", "user= consumer_byte_rate:200", "user=a client-id= producer_byte_rate:100"}},
		{describe(false, anyUser), []string{"user= consumer_byte_rate:200", "user=a client-id= producer_byte_rate:100"}},
		{describe(true, anyUser), []string{"user= consumer_byte_rate:200"}},
		{describe(true, defaultUser), []string{"user= consumer_byte_rate:200"}},
	} {
		if fmt.Sprint(c.got) != fmt.Sprint(c.want) {
			t.Errorf("got %q\nwant %q", c.got, c.want)
		}
	}
}
