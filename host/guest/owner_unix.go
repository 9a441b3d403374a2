//go:build unix

package guest

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByUs reports whether the file belongs to the user that this process runs as.
func ownedByUs(stat fs.FileInfo) bool {
	own, ok := stat.Sys().(*syscall.Stat_t)
	return ok && int(own.Uid) == os.Geteuid()
}
