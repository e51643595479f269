// Command bench measures a Kafka-protocol server, bin/lockstep unless told
// otherwise, against a floor measured in the same run, and prints one table and
// the project's aims. `make bench` runs it; -h lists the flags.
//
// The floor and the server run as processes of their own, on loopback, in a
// temporary directory that is removed. Package load drives both with the same
// bytes; nothing of the broker's packages is imported.
//
// What makes its figures worth comparing:
//
//   - The ratio is the figure. Absolute numbers drift with the machine and with
//     who else uses it; floor and server are measured in turn, forwards and then
//     backwards (ABBA), and a ratio is taken of neighbours. The table shows the
//     median of these ratios and their extent; an aim is decided only when all of
//     them lie on one side of it.
//   - The server's CPU time is the second figure, because foreign load hardly
//     moves it. The foreign share is shown beside it.
//   - The page pool is warmed before each workload by writing and deleting a file
//     larger than the data of any measurement: memory that the machine has not
//     touched of late is several times slower, and whoever ran first would pay.
//   - Each measurement has a burst before it and is bounded in time and in bytes;
//     its topic is deleted after it, and a server that holds on to the data is
//     started anew.
package main
