package host

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/ichor-replicator/ichor/host/guest"
)

// settleTime is how long a guest file must be left alone before it is read.
const settleTime = 100 * time.Millisecond

// watch is the goroutine that looks for new guests: when the directory changes, and now and
// then besides, since not every file system tells. The folder is watched and not the files,
// so that a file that is replaced by renaming is seen.
func (g *guests) watch(ctx context.Context, arm func(armed) bool) {
	var changes <-chan fsnotify.Event
	var troubles <-chan error
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		changes, troubles = watcher.Events, watcher.Errors
		err = watcher.Add(g.opts.Directory)
	}
	if err != nil {
		g.log.Warn("the guest directory can not be watched; it is looked at now and then", "every", g.opts.Poll, "error", err)
	}
	poll := time.NewTicker(g.opts.Poll)
	defer poll.Stop()
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
			settled = time.After(settleTime)
			continue
		case err := <-troubles:
			g.log.Warn("watching the guest directory", "error", err)
			continue
		case <-settled:
			settled = nil
		case <-poll.C:
		}
		for i := range g.names {
			if l := g.look(ctx, int32(i)); l != nil && !arm(armed{l.guest, l.id}) {
				return
			}
		}
	}
}

// look loads a guest's file if it is another one than the newest generation; nil when there
// is nothing to arm. A file that can not be loaded changes nothing, and says why once.
func (g *guests) look(ctx context.Context, index int32) *loaded {
	name := g.names[index]
	wasm, err := g.read(name)
	digest := guest.DigestOf(wasm).String()
	if err == nil {
		g.mu.Lock()
		known := g.newest[index] == digest || g.rejected[name].Digest == digest
		g.mu.Unlock()
		if known {
			return nil
		}
		var l *loaded
		if l, err = g.load(ctx, index, wasm); err == nil {
			return l
		}
	}
	if ctx.Err() == nil && g.reject(name, digest, err) {
		g.log.Error("the new guest is not taken; the one before goes on", "guest", name, "error", err)
	}
	return nil
}
