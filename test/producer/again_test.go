package producer

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/inprocess"
)

// TestAppendsGoOnOverATopicThatIsMadeAgain: it is deleted and made again while
// appends come all the time. None of those that begin when it is there again
// fails, and the new log holds what was acknowledged since, once and in order.
func TestAppendsGoOnOverATopicThatIsMadeAgain(t *testing.T) {
	addr := inprocess.Broker(t)
	create(t, addr, "t", 1)
	c := open(t, addr)
	admin := kadm.NewClient(dial(t, addr))
	var wg sync.WaitGroup
	var mu sync.Mutex
	offsets := map[string]int64{}
	appended := 0
	append := func(n int, mayFail bool) {
		for range n {
			what := fmt.Sprint(appended)
			appended++
			wg.Add(1)
			c.AppendAsync(t.Context(), "t", 0, client.Cond{}, func(r client.Result, err error) {
				defer wg.Done()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					offsets[what] = r.Offset
				case !mayFail:
					t.Errorf("append %s: %v", what, err)
				}
			}, value("%s", what))
			time.Sleep(time.Millisecond)
		}
	}
	append(200, false)
	wg.Wait()
	if _, err := admin.DeleteTopic(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	clear(offsets)
	append(50, true)
	create(t, addr, "t", 1)
	append(200, false)
	wg.Wait()
	end, err := admin.ListEndOffsets(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	log := read(t, addr, "t", end["t"][0].Offset)
	for i := appended - 200; i < appended; i++ {
		what := fmt.Sprint(i)
		if offset, ok := offsets[what]; !ok || log[offset] != what {
			t.Fatalf("append %s is said to be at offset %d, which holds %q", what, offset, log[offset])
		}
		if offsets[what] < offsets[fmt.Sprint(i-1)] {
			t.Fatalf("append %s comes before the one ahead of it", what)
		}
	}
	if len(log) != len(offsets) {
		t.Errorf("the log holds %d records of %d acknowledged", len(log), len(offsets))
	}
}
