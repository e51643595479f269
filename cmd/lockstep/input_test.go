package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTheLastRecordOfAnInputMayLackItsDelimiter(t *testing.T) {
	for _, c := range []struct{ layout, in, want string }{
		{`%v\n`, "a\nb", "a\nb\n"},
		{`%v\n`, "a\nb\n", "a\nb\n"},
		{`%v\n`, "", ""},
		{`%v\n`, "\n", "\n"},
		{`%k\t%v\r\n`, "k\tv\r", "k\tv\r\n"},
		{`%k\t%v\r\n`, "k\tv\n", "k\tv\n\r\n"},
		{`%v\x00`, "a", "a\x00"},
		{`%v;`, "a;b", "a;b;"},
		{`%v{json}\n`, "{}", "{}\n"},
		{`%v{3}`, "abc", "abc"},
		{`%v`, "abc", "abc"},
		{`%v%%`, "abc", "abc"}, // a sign of its own: left to the layout's parser
	} {
		got, err := io.ReadAll(closedBy(delimiterOf(c.layout), iotest.OneByteReader(strings.NewReader(c.in))))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q became %q, %v; want %q", c.layout, c.in, got, err, c.want)
		}
	}
}

func TestAnInterruptibleInputGivesAllThatThereIs(t *testing.T) {
	want := strings.Repeat("0123456789", 50_000)
	if err := iotest.TestReader(interruptible(context.Background(), strings.NewReader(want)), []byte(want)); err != nil {
		t.Error(err)
	}
}

func TestAnInterruptedReadEndsThoughNothingComes(t *testing.T) {
	silent, _ := io.Pipe()
	ctx, interrupt := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := interruptible(ctx, silent).Read(make([]byte, 1))
		ended <- err
	}()
	interrupt()
	if err := <-ended; err != context.Canceled {
		t.Errorf("got %v", err)
	}
}
