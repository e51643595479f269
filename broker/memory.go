package broker

import "golang.org/x/sys/unix"

const (
	lockWindowShare = 8       // of the machine's memory, one part for the lock windows
	lockWindowMax   = 1 << 30 // some ten million locks
	lockWindowMin   = 64 << 20
)

// lockWindowBytes is how much memory the windows of all lock tables may take by
// default: a lock that is in its window costs no disk read and no base write.
func lockWindowBytes() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return lockWindowMin
	}
	total := int64(info.Totalram) * int64(info.Unit)
	return min(lockWindowMax, max(lockWindowMin, total/lockWindowShare))
}
