package protocol

import (
	"fmt"
	"strings"
	"testing"
)

// TestWhatWasCarriedIsReadHeaderByHeader: what is well-formed by itself counts, and
// takes no harm from what is not.
func TestWhatWasCarriedIsReadHeaderByHeader(t *testing.T) {
	for _, c := range []struct{ headers, want string }{
		{"lock-write=a b; lock-basis=12; lock-id=x", "x: lock-write a, lock-write b"},
		{"lock-write=a", ": lock-write a"},
		{"lock-write=a; lock-write=b; lock-append=c", ": lock-write a, lock-write b, lock-append c"},
		{"lock-write=a b@x; lock-append=c@12", ": lock-append c"},
		{"lock-wirte=a; lock-write=; lock-append= a; lock-basis=7.0; lock-read=b", ": lock-read b"},
		{"lock-id=a b; lock-id=y; lock-id=z; lock-id=", "y: "},
		{"trace=1", ": "},
	} {
		var q LockRequest
		q.Reset()
		for h := range strings.SplitSeq(c.headers, "; ") {
			key, value, _ := strings.Cut(h, "=")
			q.Carried([]byte(key), []byte(value))
		}
		var locks []string
		for _, item := range q.Items {
			locks = append(locks, item.Kind.String()+" "+string(item.Name))
		}
		if got := fmt.Sprintf("%s: %s", q.ID, strings.Join(locks, ", ")); got != c.want {
			t.Errorf("%s: got %q, want %q", c.headers, got, c.want)
		}
	}
}
