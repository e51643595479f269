package protocol

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Goal: headers are chosen as Kafka chooses them. Method: kmsg frames a
// request of every served version; header and body must come out as they went in.
func TestParseHeaderReadsWhatKmsgWrites(t *testing.T) {
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("client-1"))
	rng := rand.New(rand.NewPCG(3, 3))
	eachServed(t, func(t *testing.T, api API, version int16) {
		req := randomRequest(rng, api.Key, version)
		frame := formatter.AppendRequest(nil, req, 77)[FrameLengthBytes:]
		h, body, err := ParseHeader(frame)
		noError(t, err)
		equal(t, Header{api.Key, version, 77, "client-1", req.IsFlexible()}, h)
		equal(t, string(req.AppendTo(nil)), string(body))
		for n := range len(frame) - len(body) {
			_, _, err := ParseHeader(frame[:n])
			equal(t, true, errors.Is(err, ErrHeader))
		}
	})
}

func TestParseHeaderOfAnUnknownRequestStillSaysWhomToAnswer(t *testing.T) {
	tests := []struct {
		name  string
		frame string
		want  Header
		body  string
		err   error
	}{
		{"unknown key", "\x7f\xff\x00\x01\x00\x00\x00\x09", Header{Key: 32767, Version: 1, CorrelationID: 9}, "", ErrUnknownKey},
		{"negative key", "\xff\xff\x00\x01\x00\x00\x00\x09\x00", Header{Key: -1, Version: 1, CorrelationID: 9}, "", ErrUnknownKey},
		{"newer ApiVersions", "\x00\x12\x00\x7f\x00\x00\x00\x09\x00\x01c\x00rest", Header{KeyApiVersions, 127, 9, "c", true}, "rest", ErrUnsupportedVersion},
		{"newer ApiVersions, odd header", "\x00\x12\x00\x7f\x00\x00\x00\x09\x00\x09c", Header{KeyApiVersions, 127, 9, "", true}, "", ErrUnsupportedVersion},
		{"negative version", "\x00\x03\xff\xff\x00\x00\x00\x09\xff\xffrest", Header{KeyMetadata, -1, 9, "", false}, "rest", ErrUnsupportedVersion},
		{"listed, not served", "\x00\x00\x00\x00\x00\x00\x00\x09\xff\xffrest", Header{KeyProduce, 0, 9, "", false}, "rest", ErrUnsupportedVersion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, body, err := ParseHeader([]byte(tt.frame))
			equal(t, true, errors.Is(err, tt.err))
			equal(t, tt.want, h)
			equal(t, tt.body, string(body))
		})
	}
}

func TestParseHeaderRefusesBadLengthsAndTags(t *testing.T) {
	for name, rest := range map[string]string{
		"client id of -2":           "\xff\xfe\x00",
		"client id beyond the end":  "\x00\x02c",
		"a tag more than there is":  "\x00\x01c\x02\x00\x00",
		"tag beyond the end":        "\x00\x01c\x01\x00\x05abc",
		"repeated tag":              "\x00\x01c\x02\x00\x00\x00\x00",
		"no tag section":            "\x00\x01c",
		"tag count without an end":  "\x00\x01c\x80",
		"tag count of over 32 bits": "\x00\x01c\x80\x80\x80\x80\x10",
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ParseHeader([]byte("\x00\x03\x00\x0c\x00\x00\x00\x09" + rest))
			equal(t, true, errors.Is(err, ErrHeader))
		})
	}
}

func TestParsingHeadersOfOneClientAllocatesItsNameOnce(t *testing.T) {
	frame := []byte("\x00\x03\x00\x0c\x00\x00\x00\x09\x00\x03abc\x00")
	var h Header
	equal(t, 0, testing.AllocsPerRun(100, func() {
		if _, err := h.Parse(frame); err != nil {
			panic(err)
		}
	}))
	equal(t, "abc", h.ClientID)
}

func TestResponseHeaderOfApiVersionsNeverHasTags(t *testing.T) {
	for _, api := range APIs() {
		h := Header{Key: api.Key, Version: api.Max, Flexible: api.Flexible(api.Max)}
		equal(t, api.Key != KeyApiVersions && h.Flexible, h.FlexibleResponse())
	}
	equal(t, "\x00\x00\x01\x00", string(AppendResponseHeader(nil, 256, false)))
	equal(t, "x\xff\xff\xff\xff\x00", string(AppendResponseHeader([]byte("x"), -1, true)))
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("\x00\x03\x00\x0c\x00\x00\x00\x09\x00\x03abc\x00body"))
	f.Add([]byte("\x00\x12\x00\x7f\x00\x00\x00\x09\x00\x01c\x00rest"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x09\xff\xffrest"))
	f.Add([]byte("\x00\x03\x00\x0c\x00\x00\x00\x09\x00\x00\x01\x05\x02ab"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, body, err := ParseHeader(frame)
		if err == nil {
			api, known := Lookup(h.Key)
			if !known || !api.Serves(h.Version) || api.Flexible(h.Version) != h.Flexible {
				t.Fatalf("accepted %+v", h)
			}
		}
		if len(body) > max(0, len(frame)-10) || string(frame[len(frame)-len(body):]) != string(body) {
			t.Fatalf("body is not the end of the frame")
		}
	})
}
