// Command transfers is a proof by use: millions of transfers between the
// accounts of a bank, by processes that share nothing but a log, while
// processes and brokers are killed all the time; and in the end a judgement of
// all that anybody was told.
//
//	teller ──┐                      ┌── keeper ── database
//	teller ──┼── three brokers ─────┤
//	teller ──┘   (killed, too)      └── two keepers ── one database
//
//	teller   a process with a client.View of each partition and many writers:
//	         each transfer holds write locks on both accounts. It notes what was
//	         acknowledged in a file, and saves its views, to go on from there
//	         when it is killed and another takes its post
//	keeper   a process that keeps a SQLite database in step with the log, by
//	         client/sqlview; two of them share one database
//	crew     all of these processes, at their posts
//	killer   kills them, and brokers, by a schedule that the seed gives
//	ledger   (a package) the bank, and the judge of logs, acks and balances
//
// It ends when the log holds as many transfers as were asked for. Exit 1 if
// anything is wrong; the seed is told.
package main
