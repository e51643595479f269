package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Patience bounds what a test waits for. No test passes by its running out.
const Patience = time.Minute

// Background is a context that ends with a test's patience.
func Background(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// NoError ends a test that cannot go on.
func NoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// WantError ends a test in which another error was to come.
func WantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// RunAndVerifyNoLeaks is TestMain's for packages that embed etcd: no goroutine may be
// left at the end. Members of etcd keep idle HTTP connections to each other for seconds
// after they were closed; nothing of ours speaks HTTP.
func RunAndVerifyNoLeaks(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}
