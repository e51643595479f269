package attack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// kmsg, unless a body is proven before, looks for as many tags as a body says that
// it has, also when its bytes have run out. Here it says one too many: nothing in
// this project keeps a decoder busy that has no such guard.
func TestABodyThatLiesIsRefused(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	for name, body := range map[string][]byte{
		"a tag more than there is":    {2, 'a', 2, 'b', 2, 9, 0},
		"a tag twice":                 {2, 'a', 2, 'b', 2, 9, 0, 9, 0},
		"tags that fall":              {2, 'a', 2, 'b', 2, 9, 0, 8, 0},
		"a tag longer than the rest":  {2, 'a', 2, 'b', 1, 9, 100},
		"a tag a byte too long":       {2, 'a', 2, 'b', 1, 9, 3, 'x', 'y'},
		"an overlong number":          {2, 'a', 2, 'b', 0x80, 0x80, 0x80, 0x80, 0x80, 0},
		"a number that does not end":  {2, 'a', 2, 'b', 0xff},
		"a number over 32 bits":       {2, 'a', 2, 'b', 0x80, 0x80, 0x80, 0x80, 0x10},
		"a string beyond the end":     {100, 'a', 2, 'b', 0},
		"a null that may not be null": {0, 2, 'b', 0},
		"nothing":                     {},
	} {
		t.Run(name, func(t *testing.T) {
			s := v.dial()
			s.t = t
			s.send(rawRequest(protocol.KeyApiVersions, 3, true, body))
			s.refused("ApiVersions v3")
		})
	}
	t.Run("a tag more than there is in the header", func(t *testing.T) {
		s := v.dial()
		s.t = t
		h := rawHeader(protocol.KeyApiVersions, 3, true)
		s.send(framed(append(h[:len(h)-1], 2, 9, 0)))
		s.refused("malformed request header")
	})
	b.stillServed()
}

func TestAHeaderThatLiesIsRefused(t *testing.T) {
	v := attacked(t)
	for name, frame := range map[string][]byte{
		"one byte":                  {0},
		"no client id":              {0, 18, 0, 0, 0, 0, 0, 7},
		"half a client id's length": {0, 18, 0, 0, 0, 0, 0, 7, 0},
		"a client id of -2":         {0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xfe},
		"a client id of 32,767":     {0, 18, 0, 0, 0, 0, 0, 7, 0x7f, 0xff, 'a'},
	} {
		t.Run(name, func(t *testing.T) {
			s := v.dial()
			s.t = t
			s.send(framed(frame))
			s.refused("malformed request header")
		})
	}
}

func TestAnUnknownKeyOrVersionClosesTheConnection(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	for _, key := range []int16{-1, 4, 5, 6, 7, 38, 999, 32767, -32768} {
		s := v.dial()
		s.send(rawRequest(key, 0, false, nil))
		s.refused("unknown API key")
	}
	for _, api := range protocol.APIs() {
		if api.Key == protocol.KeyApiVersions {
			continue
		}
		for _, version := range []int16{-1, api.Min - 1, api.Max + 1, 127, 32767} {
			s := v.dial()
			s.send(rawRequest(api.Key, version, api.Flexible(version), make([]byte, 30)))
			s.refused("unsupported API version")
		}
	}
	b.stillServed()
}

// KIP-511: version 0's layout, UNSUPPORTED_VERSION and the one row of ApiVersions.
func TestApiVersionsOfTheFutureIsAnsweredInTheLayoutOfVersion0(t *testing.T) {
	v := attacked(t)
	want := []byte{0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4}
	for _, version := range []int16{127, 5, 32767, -1} {
		for _, body := range [][]byte{nil, {1, 1, 0}, {0xff, 0xff, 0xff}} {
			s := v.dial()
			s.send(rawRequest(protocol.KeyApiVersions, version, true, body))
			if got := s.answer(); !bytes.Equal(got, want) {
				t.Errorf("v%d: answered %x, want %x", version, got, want)
			}
			s.alive()
		}
	}
}

func TestABadSoftwareNameIsAnInvalidRequest(t *testing.T) {
	v := attacked(t)
	for _, name := range []string{"", "-", "a b", "a\nb", "ä", "x\x00", "-a", "a-"} {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = name, "1"
		s := v.dial()
		if resp := ask[*kmsg.ApiVersionsResponse](s, req, 3); resp.ErrorCode != 42 {
			t.Errorf("%q: code %d", name, resp.ErrorCode)
		}
	}
}

func TestProduceOfLongAgoIsToldSo(t *testing.T) {
	v := attacked(t)
	for version := range int16(3) {
		req := produceRequest("old", 1, make([]byte, 100))
		s := v.dial()
		resp := ask[*kmsg.ProduceResponse](s, req, version)
		if code := resp.Topics[0].Partitions[0].ErrorCode; code != 35 {
			t.Errorf("v%d: code %d", version, code)
		}
		s.send(rawRequest(0, version, false, []byte{0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}))
		s.refused(fmt.Sprintf("Produce v%d", version))
	}
}

// Goal: no length, count or number in any served request can hurt. Method: one
// request of every API and version, with every position overwritten by what
// lengths lie with, and cut at every position. In flexible versions, where every
// number may be a tag count, the lies are small: they go beyond the end all the same.
func TestNoNumberInAnyRequestCanHurt(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	base := heap()
	cases := 0
	for _, api := range protocol.APIs() {
		for version := api.ServeMin; version <= api.Max; version++ {
			for _, body := range lies(sample(api.Key, version), api.Flexible(version)) {
				s := v.dial()
				s.send(rawRequest(api.Key, version, api.Flexible(version), body))
				s.nc.CloseWrite()
				for s.answer() != nil {
				}
				s.nc.Close()
				cases++
			}
		}
	}
	grown := heap() - base
	t.Logf("%d lies; heap grown by %d MiB", cases, grown>>20)
	if grown > 64<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	b.stillServed()
}

// sample is the body of one request with an element in every array that is easily had.
func sample(key, version int16) []byte {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	if d, ok := req.(interface{ Default() }); ok {
		d.Default()
	}
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		*r = *produceRequest("nowhere", 1, []byte("not a batch"))
	case *kmsg.FetchRequest:
		*r = *fetchRequest(partitionOf("nowhere", 0))
		r.MaxWaitMillis = 0
	case *kmsg.MetadataRequest:
		r.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("a/b")}}
	case *kmsg.ListOffsetsRequest:
		r.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "nowhere", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: -1}}}}
	case *kmsg.CreateTopicsRequest:
		r.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "a/b", NumPartitions: 1, ReplicationFactor: 1,
			Configs: []kmsg.CreateTopicsRequestTopicConfig{{Name: "x"}}}}
	case *kmsg.DeleteTopicsRequest:
		r.TopicNames, r.Topics = []string{"nowhere"}, []kmsg.DeleteTopicsRequestTopic{{Topic: kmsg.StringPtr("nowhere")}}
	case *kmsg.DescribeConfigsRequest:
		r.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "nowhere", ConfigNames: []string{"x"}}}
	case *kmsg.OffsetForLeaderEpochRequest:
		r.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "nowhere", Partitions: make([]kmsg.OffsetForLeaderEpochRequestTopicPartition, 1)}}
	case *kmsg.DeleteRecordsRequest:
		r.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "nowhere", Partitions: make([]kmsg.DeleteRecordsRequestTopicPartition, 1)}}
	case *kmsg.FindCoordinatorRequest:
		r.CoordinatorKey, r.CoordinatorKeys = "g", []string{"g"}
	}
	req.SetVersion(version)
	return req.AppendTo(nil)
}

func lies(body []byte, flexible bool) (all [][]byte) {
	words := [][]byte{{0xff, 0xff, 0xff, 0xff}, {0x7f, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0}, {0, 0, 0, byte(len(body))}}
	if flexible {
		words = [][]byte{{0xff, 0x7f}, {0x7f}, {0x80, 0x80, 0x80, 0x80, 0x10}, {0}, {0x80, 0x01}}
	}
	for at := range body {
		all = append(all, body[:at])
		word := words[at%len(words)]
		lie := append(bytes.Clone(body[:at]), word...)
		if at+len(word) < len(body) {
			lie = append(lie, body[at+len(word):]...)
		}
		all = append(all, lie)
	}
	rest := binary.AppendUvarint(nil, uint64(len(body)))
	return append(all, append(rest, body...), append(bytes.Clone(body), 0))
}
