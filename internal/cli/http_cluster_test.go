package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/internal/cli/command/commandtest"
)

// stubBroker answers as broker id does, with the list that it is given.
func stubBroker(t *testing.T, id string, brokers *string) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(command.BrokerHeader, id)
		switch r.URL.Path {
		case "/v1/brokers":
			_, _ = w.Write([]byte(`{"broker":` + id + `,"cluster_id":"c","brokers":[` + *brokers + `]}`))
		case "/v1/conflicts":
			_, _ = w.Write([]byte(`[{"time":"2026-11-23T08:00:0` +
				id + `Z","topic":"t","partition":0,"message":"CONFLICT of broker ` + id + `"}]`))
		}
	}))
	t.Cleanup(web.Close)
	return strings.TrimPrefix(web.URL, "http://")
}

func tailOnce(t *testing.T, addrs string) (code int, out, said string) {
	t.Helper()
	s := commandtest.Quiet()
	code = execute(context.Background(), []string{"conflicts", "tail", "--follow=false", "--http", addrs}, s)
	return code, s.Out.(*bytes.Buffer).String(), s.Err.(*bytes.Buffer).String()
}

// All are found from one, each is asked once however it was named, and the answers
// are put in order of time.
func TestEveryBrokerIsFoundFromOneAndAskedOnce(t *testing.T) {
	var list string
	one, two := stubBroker(t, "1", &list), stubBroker(t, "2", &list)
	list = `{"id":1,"live":true,"http":"` + one + `"},{"id":2,"live":true,"http":"` + two + `"}`
	for _, addrs := range []string{one, two, one + "," + two, two + "," + one, "127.0.0.1:1," + one} {
		code, out, said := tailOnce(t, addrs)
		if first := strings.Index(out, "broker 1"); code != command.ExitDone || strings.Count(out, "CONFLICT") != 2 ||
			first > strings.Index(out, "broker 2") {
			t.Errorf("by %s: exit code %d, %q, %q", addrs, code, out, said)
		}
	}
}

// Where the address that broker 2 has told is broker 1's here, as 127.0.0.1 is on
// each machine, broker 1 is not counted twice.
func TestAnAddressThatIsAnotherBrokersIsNotTakenForIt(t *testing.T) {
	var list string
	one := stubBroker(t, "1", &list)
	list = `{"id":1,"live":true,"http":"` + one + `"},{"id":2,"live":true,"http":"` +
		one + `"},{"id":3,"live":true},{"id":4,"live":false}`
	code, out, said := tailOnce(t, one)
	if code != command.ExitError || strings.Count(out, "CONFLICT") != 1 {
		t.Errorf("exit code %d, %q", code, out)
	}
	for _, want := range []string{
		"lockstep: broker 2 could not be asked: " + one + " is broker 1; name its address with --http\n",
		"lockstep: broker 3 could not be asked: it has told no HTTP address; name it with --http\n",
		"lockstep: broker 4 could not be asked: it is down\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it said %q, not %q", said, want)
		}
	}
}

func TestBrokersOfTwoClustersAreNotAskedTogether(t *testing.T) {
	var list string
	one := stubBroker(t, "1", &list)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"broker":1,"cluster_id":"another","brokers":[]}`))
	}))
	defer other.Close()
	if code, _, said := tailOnce(t, one+","+strings.TrimPrefix(other.URL, "http://")); code != command.ExitError ||
		!strings.Contains(said, "is of another cluster") {
		t.Errorf("exit code %d, %q", code, said)
	}
}
