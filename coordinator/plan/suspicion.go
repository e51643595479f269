package plan

// suspicionQuorumMin is how many brokers at least must suspect one before it is fenced.
const suspicionQuorumMin = 2

// SuspicionQuorum reports whether so many suspecting brokers, of all the others
// that live, are enough to fence one. Half of the others is not: in a cluster that
// falls in two, both halves would fence each other.
func SuspicionQuorum(suspecting, others int) bool {
	return suspecting >= suspicionQuorumMin && 2*suspecting > others
}
