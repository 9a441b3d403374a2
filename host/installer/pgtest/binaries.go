//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNoServer is returned, wrapped, when no PostgreSQL binaries were found or downloaded.
var ErrNoServer = errors.New("no PostgreSQL server found: apt-get install postgresql, or set PG_BIN to a folder with initdb and postgres")

const (
	variableBin    = "PG_BIN"
	variableMirror = "PG_MIRROR"
	binDownload    = "download"
)

// binaries returns the folder with initdb and postgres to use.
func binaries(ctx context.Context, asked string) (string, error) {
	if asked == "" {
		asked = os.Getenv(variableBin)
	}
	word, major, chosen := strings.Cut(asked, ":")
	if !chosen {
		major = usual
	}
	switch {
	case word == binDownload:
	case asked != "":
		if !complete(asked) {
			return "", fmt.Errorf("%w: %s has no initdb or no postgres", ErrNoServer, asked)
		}
		return asked, nil
	default:
		if bin := newest("/usr/lib/postgresql"); bin != "" {
			return bin, nil
		}
	}
	bin, err := download(ctx, major)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	return bin, nil
}

// newest returns the bin folder of the highest version installed below root, if any.
func newest(root string) string {
	found, _ := filepath.Glob(filepath.Join(root, "*", "bin"))
	found = slices.DeleteFunc(found, func(bin string) bool { return !complete(bin) })
	slices.SortFunc(found, func(a, b string) int { return installed(a) - installed(b) })
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1]
}

// installed returns the major version that a path like 17/bin names, 0 for another word.
func installed(bin string) int {
	version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	if err != nil {
		return 0
	}
	return version
}

func complete(bin string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(bin, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}
