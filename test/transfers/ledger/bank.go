package ledger

// Bank is a number of accounts, dealt out to partitions in turn. A transfer
// stays within a partition: its conditions are judged in one log.
type Bank struct {
	Accounts, Partitions int
}

// Opening is what every account begins with.
const Opening = 1000

// Partition of an account.
func (b Bank) Partition(account uint32) int32 { return int32(account % uint32(b.Partitions)) }

// Place of an account among those of its partition.
func (b Bank) Place(account uint32) int { return int(account) / b.Partitions }

// Account at a place of a partition.
func (b Bank) Account(partition int32, place int) uint32 {
	return uint32(place*b.Partitions + int(partition))
}

// Size is how many accounts a partition has.
func (b Bank) Size(partition int32) int {
	return (b.Accounts - int(partition) + b.Partitions - 1) / b.Partitions
}
