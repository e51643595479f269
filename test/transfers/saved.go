package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

// saved is a view as it lies in a file: 64-bit numbers, big-endian.
//
//	basis | transfers | balance of place 0 | 1 | …
//
// The file is made aside and renamed: a teller that is killed leaves the one of
// before.
type saved struct {
	partition int32
	basis     int64
	transfers int64
	balances  []int64
}

func copyOf(s *ledger.State, basis int64) saved {
	return saved{s.Partition, basis, s.Transfers, slices.Clone(s.Balances)}
}

func savedPath(dir string, partition int32) string {
	return filepath.Join(dir, fmt.Sprintf("view-%d", partition))
}

func (s saved) write(dir string) error {
	b := make([]byte, 0, 8*(2+len(s.balances)))
	for _, n := range slices.Concat([]int64{s.basis, s.transfers}, s.balances) {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	path := savedPath(dir, s.partition)
	if err := os.WriteFile(path+".new", b, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// readSaved reads what write wrote; os.ErrNotExist if nothing was.
func readSaved(dir string, partition int32) (saved, error) {
	b, err := os.ReadFile(savedPath(dir, partition))
	if err != nil {
		return saved{}, err
	}
	if len(b) < 16 || len(b)%8 != 0 {
		return saved{}, fmt.Errorf("%s has %d bytes", savedPath(dir, partition), len(b))
	}
	numbers := make([]int64, len(b)/8)
	if err := binary.Read(bytes.NewReader(b), binary.BigEndian, numbers); err != nil {
		return saved{}, err
	}
	return saved{partition, numbers[0], numbers[1], numbers[2:]}, nil
}

// load is the state to begin a view with: the one that was saved at this post,
// or that of an empty log.
func load(dir string, b ledger.Bank, partition int32) (*ledger.State, int64, error) {
	s, err := readSaved(dir, partition)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return ledger.NewState(b, partition), client.None, nil
	case err != nil:
		return nil, 0, err
	case len(s.balances) != b.Size(partition):
		return nil, 0, fmt.Errorf("%s has %d accounts", savedPath(dir, partition), len(s.balances))
	}
	return &ledger.State{Bank: b, Partition: partition, Transfers: s.transfers, Balances: s.balances}, s.basis, nil
}
