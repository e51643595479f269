// Package serve is the commands that run a broker, serve and dev. It merges flags,
// environment, Kafka's container variables and a file into one configuration, and
// hands it to package broker. It holds no rule of the broker.
//
// settings is the table of what a broker can be told. layers decides which source of
// a setting wins. The files kafka… carry out what Kafka's images are set up by, or
// refuse it. logger is the broker's log on standard error, with a bound for each cause.
package serve
