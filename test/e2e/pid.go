package e2e

// Pid is the broker's process, for who measures it.
func (b *Broker) Pid() int { return b.cmd.Process.Pid }
