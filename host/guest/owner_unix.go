//go:build unix

package guest

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByUs reports whether the file belongs to the user that this process runs as.
func ownedByUs(info fs.FileInfo) bool {
	own, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(own.Uid) == os.Geteuid()
}

// namesOf returns under how many names the file is in its file system.
func namesOf(info fs.FileInfo) int {
	own, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return int(own.Nlink)
}
