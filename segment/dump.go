package segment

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// Dump writes what a file of a log holds, one line a thing, for people. It
// tells the kind of file by its name. A file that is damaged is written up to
// the damage, which is the error. Nothing is changed.
func Dump(fs vfs.FS, path string, w io.Writer) error {
	out := bufio.NewWriter(w)
	err := dump(fs, path, out)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	return err
}

func dump(fs vfs.FS, path string, w io.Writer) error {
	name := fs.PathBase(path)
	switch {
	case strings.HasSuffix(name, logSuffix):
		return dumpLog(fs, path, w)
	case strings.HasSuffix(name, indexSuffix):
		return dumpIndex(fs, path, w)
	case name == manifestName:
		return dumpManifest(fs, path, w)
	case strings.HasSuffix(name, checkpointSuffix):
		return dumpCheckpoint(fs, path, w)
	default:
		return fmt.Errorf("segment: %s is no file of a log", path)
	}
}

func dumpLog(fs vfs.FS, path string, w io.Writer) error {
	size, err := fileSize(fs, path)
	if err != nil {
		return err
	}
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	t := tail{window: newWindow(f, size, passBuffers), path: path}
	defer t.release()
	pos := int64(0)
	for pos < size {
		raw, err := t.batch(pos)
		if err != nil {
			return err
		}
		b, n, err := record.View(raw)
		if err != nil {
			return t.explain(pos, err, w)
		}
		fmt.Fprintf(w, "%d offsets %d-%d records %d epoch %d bytes %d codec %v times %d-%d producer %d/%d/%d crc %08x",
			pos, b.BaseOffset(), b.LastOffset(), b.Count(), b.LeaderEpoch(), n, b.Codec(),
			b.FirstTimestamp(), b.MaxTimestamp(), b.ProducerID(), b.ProducerEpoch(), b.BaseSequence(), b.CRC())
		if horizon, ok := b.DeleteHorizon(); ok {
			fmt.Fprintf(w, " tombstones go from %d", horizon)
		}
		fmt.Fprintln(w)
		pos += int64(n)
	}
	return nil
}

// explain says what is at pos, where no batch is: zeros to the end, or damage.
func (t *tail) explain(pos int64, why error, w io.Writer) error {
	last, err := t.lastByte(pos)
	if err != nil {
		return err
	}
	if last > pos {
		return fmt.Errorf("segment: %s: byte %d: %w", t.path, pos, why)
	}
	fmt.Fprintf(w, "%d zeros to %d\n", pos, t.size)
	return nil
}

func dumpIndex(fs vfs.FS, path string, w io.Writer) error {
	base, _, ok := parseName(fs.PathBase(path), indexSuffix)
	if !ok {
		return fmt.Errorf("segment: %s has no offset in its name", path)
	}
	size, err := fileSize(fs, path)
	if err != nil {
		return err
	}
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var c chunk
	for n := int64(0); n*chunkSize < size; n++ {
		if err := c.read(f, base, n); err != nil {
			return fmt.Errorf("segment: %s: %w", path, err)
		}
		for _, e := range c.entriesOf(c.count) {
			fmt.Fprintf(w, "offset %d at %d, times before it up to %d\n", e.offset, e.pos, e.maxTime)
		}
	}
	return nil
}

func dumpManifest(fs vfs.FS, path string, w io.Writer) error {
	b, err := readFile(fs, path)
	if err != nil {
		return err
	}
	m, err := decodeManifest(b)
	if err != nil {
		return fmt.Errorf("segment: %s: %w", path, err)
	}
	fmt.Fprintf(w, "start %d clean %v cut %v compacted to %d\n", m.start, m.clean, m.cut, m.compacted)
	for _, x := range m.segments {
		fmt.Fprintf(w, "segment %d next %d bytes %d time %d at %d entries %d",
			x.base, x.next, x.size, x.maxTime, x.maxTimeBase, x.entries)
		if x.edition > 0 {
			fmt.Fprintf(w, " edition %d written at %d", x.edition, x.writtenMs)
		}
		if x.sparse {
			fmt.Fprint(w, " with gaps")
		}
		if x.held {
			fmt.Fprint(w, " held back")
		}
		fmt.Fprintln(w)
	}
	for _, e := range m.epochs {
		fmt.Fprintf(w, "epoch %d from %d\n", e.epoch, e.start)
	}
	return nil
}

func dumpCheckpoint(fs vfs.FS, path string, w io.Writer) error {
	name, at, ok := parseCheckpointName(fs.PathBase(path))
	if !ok {
		return fmt.Errorf("segment: %s has no offset in its name", path)
	}
	b, err := readFile(fs, path)
	if err != nil {
		return err
	}
	data, ok := decodeCheckpoint(b, at)
	if !ok {
		return fmt.Errorf("segment: %s is damaged or of another version", path)
	}
	fmt.Fprintf(w, "checkpoint of %s at offset %d, %d bytes\n", name, at, len(data))
	return nil
}
