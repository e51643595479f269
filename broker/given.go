package broker

// Given is a setting of which zero means something, so that zero cannot stand for
// the default: the zero Given is not set.
type Given[T comparable] struct {
	value T
	set   bool
}

// Give sets it, to zero as well.
func Give[T comparable](v T) Given[T] { return Given[T]{v, true} }

// or is the setting, or the default where it is not set.
func (g Given[T]) or(def T) T {
	if g.set {
		return g.value
	}
	return def
}
