package feature

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/test/e2e"
)

// Broker is the address of the broker that run.sh has started, or of one that
// lives as long as the test.
func Broker(t *testing.T) string {
	t.Helper()
	if addr := os.Getenv("BROKER"); addr != "" {
		return addr
	}
	return e2e.Start(t).Addr
}

// Skip is the reason why a client cannot show a feature.
type Skip string

func (s Skip) Error() string { return string(s) }

// Check runs one feature as a subtest and prints its line. The note is for the
// reader of the table: it must be the same in every run.
func Check(t *testing.T, name string, run func() (note string, err error)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		note, err := run()
		var skip Skip
		switch {
		case errors.As(err, &skip):
			Print(name, "skip", string(skip))
			t.Skip(string(skip))
		case err != nil:
			Print(name, "FAIL", err.Error())
			t.Fatal(err)
		}
		Print(name, "ok", note)
	})
}

// Print prints the line of a feature.
func Print(name, result, note string) {
	fmt.Printf("%s\t%s\t%s\n", name, result, strings.Join(strings.Fields(note), " "))
}

// Equal is nil when two lists of values are the same.
func Equal(got, want []string) error {
	if slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("read %d records %.200q, want %d %.200q", len(got), got, len(want), want)
}

// Eventually runs a check until it passes: what one client changes is in
// another's cached metadata a moment later.
func Eventually(ctx context.Context, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
