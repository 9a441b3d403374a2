//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that the server runs as; nil means the user of this process.
type account struct{ credential *syscall.Credential }

// serverAccount returns nobody for root, whom PostgreSQL refuses, and this user otherwise.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return account{}, fmt.Errorf("PostgreSQL refuses to run as root and there is no user nobody, use an ordinary user: %w", err)
	}
	uid, badUID := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, badGID := strconv.ParseUint(nobody.Gid, 10, 32)
	if err := errors.Join(badUID, badGID); err != nil {
		return account{}, fmt.Errorf("user nobody: %w", err)
	}
	return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// own gives a folder to the account.
func (a account) own(dir string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(dir, int(a.credential.Uid), int(a.credential.Gid))
}

// process returns the attributes of a process of the account that ends with its parent.
func (a account) process() *syscall.SysProcAttr {
	attributes := endWithParent()
	attributes.Credential = a.credential
	return attributes
}
