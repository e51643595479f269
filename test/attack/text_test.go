package attack

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker"
	"github.com/lockstep-log/lockstep/protocol"
)

// nasty is no UTF-8, clears a screen, ends a line and a quotation.
const nasty = "caf\xe9\x1b[2J\r\n\" } \u202e"

// Goal: no text of a client breaks metrics, JSON or the log, or reaches another
// client as anything but UTF-8, also after a restart. Method: every string of every
// request is made nasty, groups of that name are made in all the ways there are, and
// then everything is looked at that shows text.
func TestNoTextOfAClientBreaksWhatIsShown(t *testing.T) {
	dir := t.TempDir()
	at := func(c *broker.Config) { c.DataDir = dir }
	v := attacked(t, at)
	v.topic("orders")
	for _, api := range protocol.APIs() {
		for _, version := range []int16{api.ServeMin, api.Max} {
			req := kmsg.RequestForKey(api.Key)
			makeNasty(reflect.ValueOf(req))
			s := v.dial()
			req.SetVersion(version)
			s.send(kmsg.NewRequestFormatter(kmsg.FormatterClientID(nasty)).AppendRequest(nil, req, 7))
			s.answer() // or it is closed
		}
	}
	v.nastyGroups()
	v.checkShown()
	v.stop()
	v = attacked(t, at)
	v.checkShown()
}

// makeNasty fills a request: one element in each array, and nasty strings.
func makeNasty(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(nasty)
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		makeNasty(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type().Field(i).Name != "UnknownTags" {
				makeNasty(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			makeNasty(v.Index(0))
		}
	}
}

// nastyGroups makes groups that stay: by members of both protocols, and by offsets
// and settings alone.
func (v *victim) nastyGroups() {
	v.t.Helper()
	s := v.dial()
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKeys = []string{nasty}
	eventually(v.t, "a coordinator", func() bool {
		return ask[*kmsg.FindCoordinatorResponse](s, find, 4).Coordinators[0].ErrorCode == 0
	})
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group, commit.Generation = nasty, -1
	text := nasty
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "orders", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1, Metadata: &text}}}}
	eventually(v.t, "an offset to be committed", func() bool {
		return ask[*kmsg.OffsetCommitResponse](s, commit, 7).Topics[0].Partitions[0].ErrorCode == 0
	})
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = nasty+"2", 30_000, 30_000, "consumer"
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: nasty}}
	if r := ask[*kmsg.JoinGroupResponse](s, join, 3); r.ErrorCode != 0 || !utf8.ValidString(r.MemberID) {
		v.t.Errorf("JoinGroup: code %d, member %q", r.ErrorCode, r.MemberID)
	}
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Group, beat.MemberID, beat.RebalanceTimeoutMillis = nasty+"3", "m", 30_000
	beat.SubscribedTopicNames, beat.Topics = []string{"orders"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	if r := ask[*kmsg.ConsumerGroupHeartbeatResponse](s, beat, 1); r.ErrorCode != 0 {
		v.t.Errorf("ConsumerGroupHeartbeat: code %d", r.ErrorCode)
	}
}

// shown is what HTTP answers with 200.
func (v *victim) shown(path string) string {
	v.t.Helper()
	resp, err := http.Get("http://" + v.http + path)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		v.t.Errorf("%s: status %d, %v: %.300s", path, resp.StatusCode, err, body)
	}
	return string(body)
}

// checkShown looks at all that is text.
func (v *victim) checkShown() {
	v.t.Helper()
	for _, path := range []string{"/metrics", "/v1/cluster/health", "/v1/conflicts", "/v1/status/ready"} {
		if body := v.shown(path); !utf8.ValidString(body) || path != "/metrics" && !json.Valid([]byte(body)) {
			v.t.Errorf("%s: %.300s", path, body)
		}
	}
	eventually(v.t, "the groups in the metrics", func() bool { // they are loaded after a start
		return strings.Contains(v.shown("/metrics"), `kafka_consumergroup_members{consumergroup="caf`+"\ufffd")
	})
	groups := ask[*kmsg.ListGroupsResponse](v.dial(), kmsg.NewPtrListGroupsRequest(), 4).Groups
	if len(groups) == 0 {
		v.t.Error("there are no groups")
	}
	for _, g := range groups {
		if !utf8.ValidString(g.Group) || !utf8.ValidString(g.ProtocolType) {
			v.t.Errorf("ListGroups tells of %q", g.Group)
		}
	}
	for _, line := range v.log.all() {
		if !utf8.ValidString(line) || strings.IndexFunc(line, unicode.IsControl) >= 0 {
			v.t.Errorf("the log says %q", line)
		}
	}
}
