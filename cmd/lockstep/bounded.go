package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// How a command ends. Whatever it waits for, --timeout bounds all of it and an
// interruption ends it: both are a context that ends, and a command that does
// not heed it within a grace is left behind, for the process ends with it.
const (
	endGrace = 800 * time.Millisecond // with what a process needs to end, less than a second
	stopSlow = 500 * time.Millisecond // for what is under way to be answered

	// openEnded commands go on as long as there is something to do, so that
	// only a --timeout that was typed bounds the whole of them; without it, its
	// default bounds what they wait for.
	openEnded = "open-ended"
	// ownEnd commands do something at their end that may take longer: they are
	// given a context that ends, and never left behind.
	ownEnd = "own-end"
	// orderedAbout is another command's process, whose --timeout is that one's:
	// it bounds what the process waits for.
	orderedAbout = "ordered-about"
)

const timeoutFlag = "timeout"

// annotate marks a command.
func annotate(cmd *cobra.Command, marks ...string) *cobra.Command {
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

// endInTime makes cmd and all below it do so.
func endInTime(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		endInTime(c)
	}
	run := cmd.RunE
	if run == nil {
		return
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkNumbers(cmd); err != nil {
			return err
		}
		ctx, cancel, err := withTimeout(cmd)
		if err != nil {
			return err
		}
		defer cancel()
		cmd.SetContext(ctx)
		if isMarked(cmd, ownEnd) {
			return endedBy(ctx, run(cmd, args))
		}
		done := make(chan error, 1)
		go func() { done <- run(cmd, args) }() // left behind if it does not end: see above
		return endedBy(ctx, await(ctx, done))
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
	if isMarked(cmd, openEnded) && !f.Changed || isMarked(cmd, orderedAbout) {
		return cmd.Context(), func() {}, nil
	}
	ctx, cancel := within(cmd.Context(), d)
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

// endedBy names --timeout where the error is no more than that a context has
// ended by it. What says more, such as who did not answer, or that a result is
// unknown, stands.
func endedBy(ctx context.Context, err error) error {
	var late *timedOut
	if !errors.As(context.Cause(ctx), &late) || errors.Is(err, errUnknownResult) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return late
	}
	return err
}

// within bounds a step of an open-ended command.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, &timedOut{d})
}
