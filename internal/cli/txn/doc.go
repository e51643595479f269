// Package txn is the command txn: transactional ids and their transactions, those that
// hang, and how to end one.
package txn
