package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// How a command ends. Whatever it waits for, --timeout bounds all of it and an
// interruption ends it: both are a context that ends, and a command that does
// not end within a grace period is left behind, for the process ends with it.
const (
	endGrace = 800 * time.Millisecond // with what a process needs to end, less than a second
	StopSlow = 500 * time.Millisecond // for what is under way to be answered

	// OpenEnded commands go on as long as there is something to do, so that
	// only a --timeout that was typed bounds the whole of them; without it, its
	// default bounds what they wait for.
	OpenEnded = "open-ended"
	// OwnEnd commands do something at their end that may take longer: they are
	// given a context that ends, and never left behind.
	OwnEnd = "own-end"
	// DrivenByParent is another command's process, whose --timeout is that one's:
	// it bounds what the process waits for.
	DrivenByParent = "ordered-about"
)

const timeoutFlag = "timeout"

// Annotate marks a command.
func Annotate(cmd *cobra.Command, marks ...string) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	for _, m := range marks {
		cmd.Annotations[m] = ""
	}
	return cmd
}

func isMarked(cmd *cobra.Command, mark string) bool {
	_, is := cmd.Annotations[mark]
	return is
}

// timedOut is the end of a context by --timeout.
type timedOut struct{ after time.Duration }

func (e *timedOut) Error() string {
	return fmt.Sprintf("not done within %s; --timeout gives it more time", e.after)
}
func (e *timedOut) Is(err error) bool { return err == context.DeadlineExceeded }

// EndInTime makes cmd and all below it do so.
func EndInTime(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		EndInTime(c)
	}
	run := cmd.RunE
	if run == nil {
		return
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := errors.Join(checkNumbers(cmd), checkHTTP(cmd)); err != nil {
			return err
		}
		ctx, cancel, err := withTimeout(cmd)
		if err != nil {
			return err
		}
		defer cancel()
		cmd.SetContext(ctx)
		if isMarked(cmd, OwnEnd) {
			return EndedBy(ctx, run(cmd, args))
		}
		done := make(chan error, 1)
		go func() { done <- run(cmd, args) }() // left behind if it does not end: see above
		return EndedBy(ctx, await(ctx, done))
	}
}

// withTimeout is the context of a command, with the bound that its flag sets.
func withTimeout(cmd *cobra.Command) (context.Context, context.CancelFunc, error) {
	f := cmd.Flags().Lookup(timeoutFlag)
	if f == nil {
		return cmd.Context(), func() {}, nil
	}
	d, err := cmd.Flags().GetDuration(timeoutFlag)
	if err != nil {
		return nil, nil, err
	}
	if isMarked(cmd, OpenEnded) && !f.Changed || isMarked(cmd, DrivenByParent) {
		return cmd.Context(), func() {}, nil
	}
	ctx, cancel := Within(cmd.Context(), d)
	return ctx, cancel, nil
}

// await waits for a command, and no longer than a grace after its context.
func await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(endGrace):
		return context.Cause(ctx)
	}
}

// EndedBy names --timeout where the error is no more than that a context has
// ended by it. What says more, such as who did not answer, or that a result is
// unknown, stands.
func EndedBy(ctx context.Context, err error) error {
	var late *timedOut
	if !errors.As(context.Cause(ctx), &late) || errors.Is(err, ErrUnknownResult) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return late
	}
	return err
}

// Within bounds a step of an open-ended command.
func Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, &timedOut{d})
}

// Pause waits between two tries.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
