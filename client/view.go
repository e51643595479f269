package client

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// View folds one partition into a state S.
type View[S any] struct{}

// Tx is what a decision of Update appends.
type Tx struct{}

// ViewOption changes a default of NewView.
type ViewOption func(*viewOptions)

type viewOptions struct{}

// NewView begins to fold.
func NewView[S any](c *Client, topic string, partition int32, init S, apply func(*S, *kgo.Record), o ...ViewOption) (*View[S], error) {
	return nil, ErrUnsupported
}

// Update decides and appends.
func (v *View[S]) Update(ctx context.Context, fn func(tx *Tx, s S) error) (Result, error) {
	return Result{}, ErrUnsupported
}

// Read shows the state and its basis.
func (v *View[S]) Read(ctx context.Context, fn func(s S, basis int64) error) error {
	return ErrUnsupported
}

// Close ends the view and waits for its goroutine.
func (v *View[S]) Close() {}
