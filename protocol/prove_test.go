package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// eachServed runs fn for every request that the table serves.
func eachServed(t *testing.T, fn func(t *testing.T, api API, version int16)) {
	for _, api := range APIs() {
		for v := api.ServeMin; v <= api.Max; v++ {
			t.Run(fmt.Sprintf("%s/v%d", api.Name, v), func(t *testing.T) { fn(t, api, v) })
		}
	}
}

// randomRequest is kmsg's request with every field filled at random.
func randomRequest(rng *rand.Rand, key, version int16) kmsg.Request {
	req := kmsg.RequestForKey(key)
	fill(rng, reflect.ValueOf(req).Elem())
	req.SetVersion(version)
	return req
}

// fill sets a value at random: nulls, empty and short arrays, unknown tags.
func fill(rng *rand.Rand, v reflect.Value) {
	if tags, ok := v.Addr().Interface().(*kmsg.Tags); ok {
		for range rng.IntN(3) {
			tags.Set(100+rng.Uint32N(1000), make([]byte, rng.IntN(200)))
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(rng, v.Field(i))
		}
	case reflect.Pointer:
		if rng.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rng, v.Elem())
		}
	case reflect.Slice:
		fillSlice(rng, v)
	case reflect.Array:
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.String:
		v.SetString(strings.Repeat("s", rng.IntN(4)*rng.IntN(60)))
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Float64:
		v.SetFloat(rng.NormFloat64())
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(rng.Uint64() >> (64 - v.Type().Bits()))
	default:
		v.SetInt(int64(rng.Uint64()) >> (64 - v.Type().Bits()))
	}
}

func fillSlice(rng *rand.Rand, v reflect.Value) {
	if rng.IntN(5) == 0 {
		return // null, or empty where kmsg has no null
	}
	n := rng.IntN(4)
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		fill(rng, v.Index(i))
	}
}

// allocated is what fn allocates. Nothing else may run meanwhile.
func allocated(fn func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// processorTime is what this process has had of the processors. Unlike the clock,
// it stands still while others have them.
func processorTime(t *testing.T) time.Duration {
	var used syscall.Rusage
	noError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// otherMemory is the request's own struct and what the runtime does beside.
const otherMemory = 8 << 10

// checkDecodes holds kmsg to what Prove promises of a body it has passed.
func checkDecodes(t *testing.T, key, version int16, body []byte, memory int) {
	t.Helper()
	if memory > DecodeBytesMax {
		t.Fatalf("memory of %d is over DecodeBytesMax", memory)
	}
	least := time.Hour // of three runs: the collector may run as well
	for range 3 {
		req := kmsg.RequestForKey(key)
		req.SetVersion(version)
		var err error
		var took time.Duration
		got := allocated(func() {
			start := processorTime(t)
			err = req.ReadFrom(body)
			took = processorTime(t) - start
		})
		least = min(least, took)
		if err != nil {
			t.Fatalf("kmsg refuses what Prove accepts: %v\n%x", err, body)
		}
		if got > arrayCopies*memory+otherMemory {
			t.Fatalf("decoding allocated %d bytes, Prove said %d", got, memory)
		}
		if least < 100*time.Millisecond {
			return
		}
	}
	t.Fatalf("kmsg took %v for %d bytes", least, len(body))
}

// Goal: the shapes are kmsg's, field by field. Method: kmsg encodes requests
// filled at random; the walk must end on the last byte, and never before it.
func TestProveAcceptsToTheLastByteWhatKmsgEncodes(t *testing.T) {
	eachServed(t, func(t *testing.T, api API, version int16) {
		rng := rand.New(rand.NewPCG(uint64(api.Key), uint64(version)))
		for range 30 {
			body := randomRequest(rng, api.Key, version).AppendTo(nil)
			whole, err := walk(DecodeBytesMax, api.Key, version, body)
			noError(t, err)
			if len(whole.rest) != 0 {
				t.Fatalf("%d bytes are left over: %x", len(whole.rest), body)
			}
			checkDecodes(t, api.Key, version, body, whole.memory)
			for n := range body {
				if Prove(api.Key, version, body[:n:n]) == nil {
					t.Fatalf("accepted %d of %d bytes: %x", n, len(body), body)
				}
			}
			proven, err := walk(DecodeBytesMax, api.Key, version, append(body, 0))
			noError(t, err)
			if len(proven.rest) != 1 {
				t.Fatalf("%d bytes are left over of one: %x", len(proven.rest), body)
			}
		}
	})
}

// Goal: no single damaged byte makes kmsg fail, stall or allocate beyond the
// account, once Prove has passed it.
func TestWhatProveAcceptsKmsgDecodesWithinTheAccount(t *testing.T) {
	eachServed(t, func(t *testing.T, api API, version int16) {
		rng := rand.New(rand.NewPCG(uint64(api.Key), uint64(version)))
		for range 60 {
			body := randomRequest(rng, api.Key, version).AppendTo(nil)
			for range min(3, len(body)) {
				body[rng.IntN(len(body))] = byte(rng.Uint32()) >> rng.IntN(8)
			}
			if memory, err := prove(api.Key, version, body); err == nil {
				checkDecodes(t, api.Key, version, body, memory)
			}
		}
	})
}

func TestEveryServedRequestHasAShapeAndNoOtherHas(t *testing.T) {
	equal(t, len(apis), len(shapes))
	for _, api := range apis {
		if shapes[api.Key] == nil {
			t.Errorf("%s has none", api.Name)
		}
	}
}

// kmsg would look for the tag that is not there; for many of them, for long.
func TestProveBelievesNoTagCount(t *testing.T) {
	noError(t, Prove(KeyApiVersions, 3, []byte{1, 1, 1, 9, 0})) // two empty names, one tag
	refused(t, Prove(KeyApiVersions, 3, []byte{1, 1, 2, 9, 0}), "malformed ApiVersions v3 request: truncated or disordered tags")
}

func TestProveRefuses(t *testing.T) {
	i16b := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	i32b := func(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	cat := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	tests := []struct {
		name         string
		key, version int16
		body         []byte
		why          string
	}{
		{"a null where none may be", KeyApiVersions, 3, []byte{0, 1, 0}, "client_software_name: null"},
		{"a negative string", KeyInitProducerId, 0, cat(i16b(-2), i32b(0)), "transactional_id: negative length"},
		{"a negative array", KeyMetadata, 1, i32b(-2), "topics: negative length"},
		{"a null array where none may be", KeyMetadata, 0, i32b(-1), "topics: null"},
		{"an array longer than what is left", KeyMetadata, 1, cat(i32b(3), []byte{0, 0}), "topics: length beyond the end"},
		{"a string longer than what is left", KeyMetadata, 1, cat(i32b(1), i16b(3), []byte("ab")), "name: length beyond the end"},
		{"a string over Kafka's limit", KeyFindCoordinator, 3, cat([]byte{0x82, 0x80, 0x02}, make([]byte, 40000)), "key: string longer than 32,767 bytes"},
		{"a varint of six bytes", KeyApiVersions, 3, []byte{0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 1, 0}, "client_software_name: truncated or overlong length"},
		{"a varint over 32 bits", KeyApiVersions, 3, []byte{0x80, 0x80, 0x80, 0x80, 0x10, 1, 0}, "client_software_name: truncated or overlong length"},
		{"a repeated tag", KeyApiVersions, 3, []byte{1, 1, 2, 7, 0, 7, 0}, "truncated or disordered tags"},
		{"falling tags", KeyApiVersions, 3, []byte{1, 1, 2, 7, 0, 6, 0}, "truncated or disordered tags"},
		{"a tag longer than what is left", KeyApiVersions, 3, []byte{1, 1, 1, 7, 2, 0}, "truncated or disordered tags"},
		{"a known tag of a wrong size", KeyFetch, 12, cat(make([]byte, 25), []byte{1, 1, 1, 1, 1, 3, 0, 0, 0}), "replica_id: truncated"},
		{"bytes left over in a known tag", KeyFetch, 12, cat(make([]byte, 25), []byte{1, 1, 1, 1, 0, 2, 0, 9}), "cluster_id: bytes left over in its tag"},
		{"a cursor that is neither there nor null", KeyDescribeTopicPartitions, 0, cat([]byte{1}, i32b(1), []byte{2, 1, 0}), "cursor: neither there nor null"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Prove(tt.key, tt.version, tt.body)
			var shape *ShapeError
			equal(t, true, errors.As(err, &shape))
			refused(t, err, "request: "+tt.why)
		})
	}
}

func TestProveRefusesWhatIsNotServed(t *testing.T) {
	equal(t, true, errors.Is(Prove(4, 0, nil), ErrUnknownKey))
	equal(t, true, errors.Is(Prove(KeyProduce, 2, nil), ErrUnsupportedVersion))
	equal(t, true, errors.Is(Prove(KeyApiVersions, 5, nil), ErrUnsupportedVersion))
}

// Goal: a body that is all elements is refused before kmsg multiplies it, and
// one that is large for honest reasons is not.
func TestProveBoundsWhatDecodingAllocates(t *testing.T) {
	produce := func(partitions int) []byte {
		req := kmsg.NewPtrProduceRequest()
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: "t", Partitions: make([]kmsg.ProduceRequestTopicPartition, partitions)}}
		req.SetVersion(9)
		return req.AppendTo(nil)
	}
	var shape *ShapeError
	equal(t, true, errors.As(Prove(KeyProduce, 9, produce(300_000)), &shape))
	equal(t, "partitions", shape.Field)

	body := produce(100_000)
	memory, err := prove(KeyProduce, 9, body)
	noError(t, err)
	checkDecodes(t, KeyProduce, 9, body, memory)

	tags := []byte{1, 1, 0x90, 0x4e} // 10,000 tags follow
	for tag := range uint32(10_000) {
		tags = append(binary.AppendUvarint(tags, uint64(tag)), 0)
	}
	memory, err = prove(KeyApiVersions, 3, tags)
	noError(t, err)
	checkDecodes(t, KeyApiVersions, 3, tags, memory)
}

func TestProveAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, api := range APIs() {
		body := randomRequest(rng, api.Key, api.Max).AppendTo(nil)
		equal(t, 0, testing.AllocsPerRun(100, func() {
			if Prove(api.Key, api.Max, body) != nil {
				panic("refused " + api.Name)
			}
		}))
	}
}

// FuzzProve holds the walk and kmsg against each other: what is accepted
// decodes, and what kmsg then encodes is accepted to the last byte. Row and
// version count through the table, so that no input is wasted on what is not served.
func FuzzProve(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 7))
	for row, api := range APIs() {
		for v := api.ServeMin; v <= api.Max; v++ {
			f.Add(uint8(row), uint8(v-api.ServeMin), randomRequest(rng, api.Key, v).AppendTo(nil))
		}
	}
	f.Add(uint8(5), uint8(3), []byte{1, 1, 2, 9, 0})
	f.Fuzz(func(t *testing.T, row, version uint8, body []byte) {
		api := apis[int(row)%len(apis)]
		v := api.ServeMin + int16(version)%(api.Max-api.ServeMin+1)
		memory, err := prove(api.Key, v, body)
		if err != nil {
			var shape *ShapeError
			equal(t, true, errors.As(err, &shape))
			return
		}
		checkDecodes(t, api.Key, v, body, memory)
		req := kmsg.RequestForKey(api.Key)
		req.SetVersion(v)
		noError(t, req.ReadFrom(body))
		noError(t, Prove(api.Key, v, req.AppendTo(nil)))
	})
}

func BenchmarkProveProduce(b *testing.B) {
	req := kmsg.NewPtrProduceRequest()
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "topic", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: make([]byte, 10_000)}}}}
	req.SetVersion(11)
	body := req.AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := Prove(KeyProduce, 11, body); err != nil {
			b.Fatal(err)
		}
	}
}
