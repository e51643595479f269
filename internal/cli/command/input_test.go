package command

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAnInterruptibleInputGivesAllThatThereIs(t *testing.T) {
	want := strings.Repeat("0123456789", 50_000)
	if err := iotest.TestReader(Interruptible(context.Background(), strings.NewReader(want)), []byte(want)); err != nil {
		t.Error(err)
	}
}

func TestAnInterruptedReadEndsThoughNothingComes(t *testing.T) {
	silent, _ := io.Pipe()
	ctx, interrupt := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := Interruptible(ctx, silent).Read(make([]byte, 1))
		ended <- err
	}()
	interrupt()
	if err := <-ended; err != context.Canceled {
		t.Errorf("got %v", err)
	}
}
