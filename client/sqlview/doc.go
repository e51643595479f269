// Package sqlview folds a partition into tables of a database/sql database,
// each record exactly once, and decides on them: client.View for a state that
// outlives its process and is shared by several.
//
// One row of the table lockstep_basis holds the basis: the offset up to which
// the partition is in the application's tables. It moves in the transaction
// that changes them.
//
//	BEGIN
//	UPDATE lockstep_basis SET basis = 41 WHERE topic = … AND part = … AND basis = 17
//	… the application's changes for the records 18 to 41 …
//	COMMIT
//
// That row is the only truth. A process that dies at any point leaves the row
// and the tables as they were, and goes on from the row. Of several processes
// on one database each tries to move the row; the database lets one of them,
// and the others read the row again and skip what it has applied. There is no
// leader, no lease and no second phase.
//
//	View     Update decides on a snapshot of the tables and its basis and
//	         appends; Read looks at one
//	Apply    the application's function: one record into the tables
//	Poison   what becomes of a record that cannot be applied
//	Dialect  SQLite or PostgreSQL
//
// # What the application must keep to
//
// Its tables are changed by Apply alone, with the *sql.Tx that it is given, and
// Apply depends on nothing but the tables and the record. Then every database
// that has applied a partition holds the same, however often its processes
// died, and can be made again from the log, if it keeps its records
// (conflict.policy=required, or retention.ms=-1). New tables on a log that was
// cut are refused with client.ErrLogCut.
//
// # When the database refuses
//
// An error that may pass (Passing) rolls the transaction back, and it is tried
// again, more slowly each time, until it succeeds or the view is closed;
// Update and Read wait as long as their contexts let them. An error that Apply
// keeps returning for one record is that record's fault; its neighbours are
// applied without it, and Options.Poison decides.
package sqlview
