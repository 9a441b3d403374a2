package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// disk is a small file system of its own, which only root may mount.
type disk struct{ dir string }

// mountDisk mounts a disk.
func mountDisk(ctx context.Context, dir string) (*disk, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if text, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "size=1m", "ichor-chaos", dir).CombinedOutput(); err != nil {
		text, _, _ = bytes.Cut(text, []byte("\n")) // the rest is advice
		return nil, errors.Join(fmt.Errorf("mount a small disk: %w: %s", err, text), os.Remove(dir))
	}
	return &disk{dir: dir}, nil
}

func (d *disk) unmount(ctx context.Context) error {
	if text, err := exec.CommandContext(ctx, "umount", d.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("unmount the small disk: %w: %s", err, text)
	}
	return os.Remove(d.dir)
}

// filler is the file that takes what is left of a disk.
func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill writes until nothing more fits.
func (d *disk) fill() error {
	file, err := os.Create(d.filler())
	if err != nil {
		return err
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(block)
	}
	return file.Close()
}

// What each change of an account writes beside, on the disk.
const (
	sqlJournal = `create table journal (line text) tablespace small;
		create function journal() returns trigger language plpgsql as $$ begin insert into journal values (repeat('x', 500)); return null; end $$;
		create trigger journal after update on bank_accounts for each row execute function journal()`
	sqlNoJournal = "drop trigger journal on bank_accounts; drop function journal(); drop table journal"
)

// fillDisk has the database write to a disk that is full, for as long as a host must explain it. Where no
// disk can be mounted the proxy answers as a server does that has none left.
func fillDisk(ctx context.Context, w *world) (err error) {
	w.disk, err = mountDisk(ctx, w.stage.Path("disk"))
	if err != nil {
		w.note("a disk is full: the proxy says so (%v)", err)
		return weather(pgtest.DiskFull)(ctx, w, long)
	}
	w.note("a disk is full: a file system of 1 MiB is")
	if err := w.writeBeside(ctx, w.disk.dir); err != nil {
		return err
	}
	err = errors.Join(w.disk.fill(), hosttest.Sleep(ctx, long), os.Remove(w.disk.filler()))
	w.over = time.Now()
	err = errors.Join(err, w.exec(ctx, sqlNoJournal), w.exec(ctx, "drop tablespace small"))
	if err == nil {
		w.disk, err = nil, w.disk.unmount(ctx)
	}
	return err
}

// writeBeside has each change of an account write to the disk that is mounted in dir.
func (w *world) writeBeside(ctx context.Context, dir string) error {
	err := w.server.Own(dir)
	if err == nil {
		err = w.exec(ctx, fmt.Sprintf("create tablespace small location '%s'", dir))
	}
	if err == nil {
		err = w.exec(ctx, sqlJournal)
	}
	return err
}
