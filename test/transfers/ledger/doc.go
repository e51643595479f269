// Package ledger is the bank of the proof run, and its judge. It knows nothing
// of brokers, processes and databases.
//
//	Bank      which accounts there are, and in which partition each is
//	Transfer  one record: an amount from one account to another
//	State     one partition replayed: balances by account
//	Judge     reads the logs once, from their start, and holds against them what
//	          everybody was told (Ack) and everybody believes (Claim)
//
// The promises, with what breaks them:
//
//   - an acknowledged transfer is in the log, at its offset, with its id;
//   - an id is in the log at most once;
//   - no transfer overdraws an account, creates money or leaves its partition;
//   - no transfer was admitted though one of its accounts was written after the
//     basis that it names, and it names the locks of both;
//   - whoever claims balances at a basis has those of a replay up to there.
//
// Its own tests plant each violation and see it found.
package ledger
