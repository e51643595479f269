package attack

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// rawHTTP sends a request line as it is, without a client that would clean it.
func (v *victim) rawHTTP(line string, headers ...string) *http.Response {
	v.t.Helper()
	nc, err := net.Dial("tcp", v.http)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(giveUp))
	fmt.Fprintf(nc, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n", line, strings.Join(headers, ""))
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		v.t.Fatalf("%.60s: %v", line, err)
	}
	return resp
}

func TestHTTPAnswersOddRequestsWithAnErrorOfTheirOwn(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	v.topic("locks")
	v.dial().produce("locks", batchOf(t, locked(header("lock-append", "a%2Fb a/b é"))))
	for line, status := range map[string]int{
		"GET /":                                        404,
		"GET /v2/status/live":                          404,
		"GET /../../etc/passwd":                        404,
		"GET /debug/pprof/":                            404,
		"GET /v1/locks/locks/0/never":                  404,
		"GET /v1/locks/locks/1/a":                      404,
		"GET /v1/locks/locks/-1/a":                     404,
		"GET /v1/locks/locks/x/a":                      400,
		"GET /v1/locks/locks/99999999999999/a":         400,
		"GET /v1/locks/nowhere/0/a":                    404,
		"GET /v1/locks/..%2f..%2fetc/0/a":              404,
		"GET /v1/locks/locks/0/a%20b":                  400,
		"GET /v1/locks/locks/0/%00":                    400,
		"GET /v1/locks/locks/0/%ff":                    400,
		"GET /v1/locks/locks/0/a%0ab":                  400,
		"GET /v1/locks/locks/0/" + long("x", 300):      400,
		"GET /v1/locks/locks/0/a%2Fb":                  200, // a/b
		"GET /v1/locks/locks/0/a%252Fb":                200, // a%2Fb, which is a/b as well
		"GET /v1/locks/locks/0/%C3%A9":                 200,
		"GET /v1/locks/locks":                          400,
		"GET /v1/locks/locks?lock=a%20b":               400,
		"GET /v1/locks/locks?lock=never":               200,
		"GET /v1/locks/nowhere?lock=a":                 404,
		"GET /v1/locks/locks?" + long("lock=a&", 7*65): 400,
		"GET /v1/locks/locks/0?wirte=a":                400,
		"GET /v1/locks/locks/0?write=%00":              200, // and malformed
		"GET /v1/locks/locks/1?write=a":                404,
		"GET /v1/brokers":                              200,
		"GET /v1/conflicts?topic=locks&partition=1":    404,
		"GET /v1/conflicts?partition=-1":               400,
		"GET /v1/conflicts?partition=99999999999":      400,
		"GET /v1/conflicts?topic=nowhere":              404,
		"GET /v1/conflicts?topc=locks":                 400,
		"GET /v1/status/live":                          200,
		"HEAD /v1/status/live":                         200,
	} {
		resp := v.rawHTTP(line)
		if resp.StatusCode/100 == 3 {
			continue // to the clean path, which is asked for as well
		}
		if resp.StatusCode != status {
			t.Errorf("%.60s: status %d, want %d", line, resp.StatusCode, status)
		}
		if resp.StatusCode >= 400 {
			var answer struct{ Error string }
			if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Error == "" || len(answer.Error) > 2000 {
				t.Errorf("%.60s: the error is no JSON of its own: %v", line, err)
			}
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "BREW"} {
		for _, path := range []string{"/v1/status/live", "/v1/locks/locks/0/a", "/metrics"} {
			if resp := v.rawHTTP(method + " " + path); resp.StatusCode != 404 && resp.StatusCode != 405 {
				t.Errorf("%s %s: status %d", method, path, resp.StatusCode)
			}
		}
	}
	if resp := v.rawHTTP("GET /v1/status/live", "X-Large: "+long("x", 100<<10)+"\r\n"); resp.StatusCode != 431 {
		t.Errorf("100 KiB of headers: status %d", resp.StatusCode)
	}
	b.stillServed()
}

func long(s string, n int) string { return strings.Repeat(s, n) }

func TestAClientIDCannotForgeALineOfTheLog(t *testing.T) {
	v := attacked(t)
	v.topic("forged")
	evil := "x\ntime=2026-01-01T00:00:00Z level=INFO msg=forged\r\n\x1b[31m" + long("y", 30_000)
	frame := func(body []byte) []byte {
		b := []byte{0, 0, 0, 9, 0, 0, 0, 7, byte(len(evil) >> 8), byte(len(evil))}
		b = append(append(b, evil...), 0)
		return framed(append(b, body...))
	}
	s := v.dial()
	s.send(frame([]byte{0xff, 0xff}))
	s.refused("Produce v9")
	for range 3 {
		s := v.dial()
		req := produceRequest("forged", -1, batchOf(t, locked(header("lock-write", "evil\"lock"), header("lock-basis", "none"), header("lock-id", "i"+long("d", 60)))))
		req.SetVersion(9)
		s.send(frame(req.AppendTo(nil)))
		s.answer()
	}
	req := produceRequest("forged", 0, []byte("no batch"))
	req.SetVersion(9)
	s = v.dial()
	s.send(frame(req.AppendTo(nil)))
	if s.answer() != nil {
		t.Error("acks=0 was answered")
	}
	s.saidOnce("acks=0")
	for _, line := range v.log.all() {
		if strings.HasPrefix(line, "time=2026-01-01") || strings.ContainsAny(line, "\x1b\r") || len(line) > 2000 {
			t.Errorf("a line of %d bytes: %.100q", len(line), line)
		}
	}
}

// Slow HTTP clients hold their own connection and nobody else's.
func TestSlowHTTPClientsLeaveKafkaServed(t *testing.T) {
	v := attacked(t)
	b := v.bystand()
	for range 200 {
		nc, err := net.Dial("tcp", v.http)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		io.WriteString(nc, "GET /v1/status/live HTTP/1.1\r\nHost")
	}
	if resp := v.rawHTTP("GET /v1/status/ready"); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	v.dial().produce(bystanderTopic+"-2", batchOf(t, record.Record{Value: []byte("v")}))
	b.stillServed()
}
