//go:build !linux

package floor

import "os"

// writeSync is the portable form: as many writes as batches, one full sync.
func writeSync(f *os.File, bufs [][]byte) error {
	for _, b := range bufs {
		if _, err := f.Write(b); err != nil {
			return err
		}
	}
	return f.Sync()
}
