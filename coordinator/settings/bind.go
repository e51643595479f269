package settings

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The binders: each parses a value as its type, checks it against its limits
// and stores it where it belongs in Topic or Group. Their reasons are Kafka's
// to the letter where Kafka has one.

// errNotNumber is a value that cannot be read as the number that it should be.
var errNotNumber = errors.New("Not a number")

// errEmptyItem is a list with nothing between two of its commas.
var errEmptyItem = errors.New("values must not be empty")

// errItem is an item of a list that is refused, and not the list as a whole.
type errItem struct {
	item string
	error
}

func errTooLow(lowest any) error { return fmt.Errorf("Value must be at least %v", lowest) }

func errTooHigh(highest any) error { return fmt.Errorf("Value must be no more than %v", highest) }

func intAt[T any, N int32 | int64](lowest, highest N, at func(*T) *N) func(*T, string) error {
	return func(t *T, s string) error {
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return errNotNumber
		}
		if n < int64(lowest) {
			return errTooLow(lowest)
		}
		if n > int64(highest) {
			return errTooHigh(highest)
		}
		*at(t) = N(n)
		return nil
	}
}

// unused is where a number goes that is taken and says nothing here.
func unused(*Topic) *int64 { return new(int64) }

func bindGzipLevel(t *Topic, s string) error {
	err := intAt(-1, 9, func(t *Topic) *int32 { return &t.GzipLevel })(t, s)
	if errors.Is(err, errNotNumber) {
		return err
	}
	if err != nil || t.GzipLevel == 0 {
		return errors.New("Value must be between 1 and 9 or equal to -1")
	}
	return nil
}

func ratioAt(at func(*Topic) *float64) func(*Topic, string) error { return floatAt(0, 1, at) }

func floatAt[T any](lowest, highest float64, at func(*T) *float64) func(*T, string) error {
	return func(t *T, s string) error {
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		switch {
		case err != nil:
			return errNotNumber
		case !(f >= lowest): // NaN as well
			return errTooLow(lowest)
		case f > highest:
			return errTooHigh(highest)
		}
		*at(t) = f
		return nil
	}
}

func boolAt(at func(*Topic) *bool) func(*Topic, string) error {
	return func(t *Topic, s string) error {
		b, err := parseBool(s)
		if err != nil {
			return err
		}
		*at(t) = b
		return nil
	}
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("Expected value to be either true or false")
}

// wordAt takes one word of a closed list.
func wordAt[S ~string](at func(*Topic) *S, words ...S) func(*Topic, string) error {
	return func(t *Topic, s string) error {
		if !slices.Contains(words, S(s)) {
			return fmt.Errorf("String must be one of: %s", joined(words))
		}
		*at(t) = S(s)
		return nil
	}
}

func joined[S ~string](words []S) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, ", ")
}

// onlyDefault takes nothing but the default, for what Kafka has and we do not.
func onlyDefault(value, reason string) func(*Topic, string) error {
	return func(_ *Topic, s string) error {
		if !strings.EqualFold(strings.TrimSpace(s), value) {
			return fmt.Errorf("must be %s: %s", value, reason)
		}
		return nil
	}
}

// bindCleanupPolicy takes any of two words, and none: then all records are kept (since Kafka 4.2).
func bindCleanupPolicy(t *Topic, s string) error {
	t.Delete, t.Compact = false, false
	if strings.TrimSpace(s) == "" {
		return nil
	}
	for word := range strings.SplitSeq(s, ",") {
		switch word = strings.TrimSpace(word); word {
		case "delete":
			t.Delete = true
		case "compact":
			t.Compact = true
		case "":
			return errEmptyItem
		default:
			return errItem{word, errors.New("String must be one of: compact, delete")}
		}
	}
	return nil
}

func bindTimestampType(t *Topic, s string) error {
	switch s {
	case "CreateTime":
		t.TimestampType = CreateTime
	case "LogAppendTime":
		t.TimestampType = LogAppendTime
	default:
		return errors.New("must be CreateTime or LogAppendTime")
	}
	return nil
}

// bindThrottled checks a list of PARTITION:BROKER pairs, or "*" for all.
func bindThrottled(at func(*Topic) *[]string) func(*Topic, string) error {
	return func(t *Topic, s string) error {
		items := Items(s)
		if !slices.Equal(items, []string{"*"}) && !allPairs(items) {
			return errors.New("must be * or a list of PARTITION:BROKER pairs")
		}
		*at(t) = items
		return nil
	}
}

func allPairs(items []string) bool {
	for _, item := range items {
		partition, broker, ok := strings.Cut(item, ":")
		if !ok || !isNumber(partition) || !isNumber(broker) {
			return false
		}
	}
	return true
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}
