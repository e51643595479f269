package conflict

import "fmt"

// Policy is a topic's conflict.policy.
type Policy uint8

const (
	// Optional judges the records that carry lock headers.
	Optional Policy = iota
	// Required refuses a batch with a record that carries none.
	Required
	// Off refuses a batch with a record that carries any.
	Off
	// Carry stores lock headers as any others, for topics that hold copies: they
	// mark, as far as they are well-formed, and nothing is judged.
	Carry
)

// String is the policy as the topic setting has it.
func (p Policy) String() string {
	switch p {
	case Optional:
		return "optional"
	case Required:
		return "required"
	case Off:
		return "off"
	case Carry:
		return "carry"
	default:
		return fmt.Sprintf("Policy(%d)", uint8(p))
	}
}

// ParsePolicy reads the topic setting.
func ParsePolicy(text string) (Policy, error) {
	for _, p := range [...]Policy{Optional, Required, Off, Carry} {
		if text == p.String() {
			return p, nil
		}
	}
	return Optional, fmt.Errorf("conflict.policy is %q, not optional, required, off or carry", text)
}
