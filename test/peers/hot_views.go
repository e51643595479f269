package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
)

const hotLock = "hot"

// hotViews are writers of one lock, each with a connection and a view of its
// own, as processes would have.
type hotViews struct {
	counters
	at      place
	writers []*hotView
}

type hotView struct {
	*appender
	view *client.View[int64]
	seen client.Counts
}

func newHotViews(ctx context.Context, at place, n int) (session, error) {
	h := &hotViews{at: at}
	for range n {
		w, err := newHotView(ctx, at)
		if err != nil {
			return nil, errors.Join(err, h.disconnect())
		}
		h.writers = append(h.writers, w)
	}
	return h, nil
}

func newHotView(ctx context.Context, at place) (*hotView, error) {
	a, err := newAppender(at)
	if err != nil {
		return nil, err
	}
	v, err := client.NewView(a.Client, at.name, 0, 0, func(n *int64, r *kgo.Record) { *n = number(r.Value) })
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	w := &hotView{appender: a, view: v}
	if _, err := w.read(ctx); err != nil {
		return nil, errors.Join(err, w.disconnect())
	}
	return w, nil
}

func (w *hotView) read(ctx context.Context) (n int64, err error) {
	err = w.view.Read(ctx, func(s, _ int64) error { n = s; return nil })
	return n, err
}

func (w *hotView) disconnect() error {
	w.view.Close()
	return w.close()
}

func (h *hotViews) run(ctx context.Context, d time.Duration) (result, error) {
	return h.counters.run(ctx, len(h.writers), d, func(ctx context.Context, i int) (int64, error) {
		w := h.writers[i]
		_, err := w.view.Update(ctx, func(tx *client.Tx, n int64) error {
			tx.Lock(client.Write(hotLock))
			tx.Append(&kgo.Record{Value: counted(n + 1)})
			return nil
		})
		now := w.view.Counts()
		sent := now.Commits + now.Refusals - w.seen.Commits - w.seen.Refusals
		w.seen = now
		return sent, err
	})
}

// close reads the log anew for what the counter has come to.
func (h *hotViews) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stuckAfter)
	defer cancel()
	w, err := newHotView(ctx, h.at)
	if err != nil {
		return errors.Join(err, h.disconnect())
	}
	last, err := w.read(ctx)
	return errors.Join(err, h.check(last), w.disconnect(), h.disconnect())
}

func (h *hotViews) disconnect() (err error) {
	for _, w := range h.writers {
		err = errors.Join(err, w.disconnect())
	}
	return err
}
