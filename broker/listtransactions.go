package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/txn"
)

// listTransactionsPattern is the longest pattern of ListTransactions that is compiled.
const listTransactionsPattern = 1000

// listTransactions lists the transactional ids that this broker coordinates (KIP-664).
// While some of them are loaded nobody is told a part.
func (s *Server) listTransactions(x *transport.Exchange, req *kmsg.ListTransactionsRequest) kmsg.Response {
	x.ReleaseFrame()
	s.listTransactionsHere(req, func(resp kmsg.Response) { sendResponse(x, resp) })
	return nil
}

func (s *Server) listTransactionsHere(req *kmsg.ListTransactionsRequest, answer func(kmsg.Response)) {
	resp := respond[*kmsg.ListTransactionsResponse](req)
	resp.TransactionStates = []kmsg.ListTransactionsResponseTransactionState{}
	resp.UnknownStateFilters = []string{}
	refuse := func(err error) {
		resp.ErrorCode, resp.TransactionStates = codeOf(err), []kmsg.ListTransactionsResponseTransactionState{}
		answer(resp)
	}
	filter, unknown, err := transactionsFilter(req)
	if err != nil {
		refuse(err)
		return
	}
	resp.UnknownStateFilters = append(resp.UnknownStateFilters, unknown...)
	if len(unknown) > 0 && len(filter.States) == 0 {
		answer(resp)
		return
	}
	err = s.transactions.runtime.Do(func() {
		var loading error
		left := 1
		end := func() {
			if left--; left > 0 {
				return
			}
			if loading != nil {
				refuse(loading)
				return
			}
			answer(resp)
		}
		s.transactions.runtime.Each(func(sh *txnShard, err error) {
			if err != nil {
				loading = kerr.CoordinatorLoadInProgress
				return
			}
			for _, d := range sh.Machine().List(s.transactions.nowMs(), filter) {
				resp.TransactionStates = append(resp.TransactionStates, kmsg.ListTransactionsResponseTransactionState{
					TransactionalID: d.TransactionalID, ProducerID: d.Producer.ID, TransactionState: d.State.String(),
				})
			}
			left++
			sh.After(func(lost error) {
				if lost != nil {
					loading = kerr.CoordinatorLoadInProgress
				}
				end()
			})
		})
		end()
	})
	if err != nil {
		refuse(err)
	}
}

// transactionsFilter reads what is asked for; unknown are states that there are none of.
func transactionsFilter(req *kmsg.ListTransactionsRequest) (f txn.Filter, unknown []string, err error) {
	f.ProducerIDs, f.DurationMs = req.ProducerIDFilters, req.DurationFilterMillis
	for _, name := range req.StateFilters {
		if state, ok := txn.ParseState(name); ok {
			f.States = append(f.States, state)
		} else {
			unknown = append(unknown, name)
		}
	}
	if expr := orEmpty(req.TransactionalIDPattern); expr != "" {
		if len(expr) > listTransactionsPattern {
			return f, nil, fmt.Errorf("%w: it has %d bytes", kerr.InvalidRegularExpression, len(expr))
		}
		if f.Pattern, err = txn.CompilePattern(expr); err != nil {
			return f, nil, fmt.Errorf("%w: %w", kerr.InvalidRegularExpression, err)
		}
	}
	return f, unknown, nil
}
