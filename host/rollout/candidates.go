package rollout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/status"
)

// CandidateName names a file in the guests' directory whose module a host judges, for the guest
// of a name, without taking it; mark tells it from others.
func CandidateName(name, mark string) string { return "." + name + ".wasm.swap-" + mark }

// candidatesMost is how many files beside a guest's are judged; each is kept ready.
const candidatesMost = 4

// candidateAge is how long a file beside a guest's is looked at: whoever put it there takes it away, unless they were killed.
const candidateAge = time.Hour

// RemoveStale removes from a directory what was put there long ago to be judged for the guest of a name.
func RemoveStale(directory, name string) error {
	entries, err := os.ReadDir(directory)
	for _, entry := range entries {
		ours, _ := filepath.Match(CandidateName(name, "*"), entry.Name()) // their signatures too
		if info, unread := entry.Info(); ours && unread == nil && isStale(info) {
			err = errors.Join(err, os.Remove(filepath.Join(directory, entry.Name())))
		}
	}
	return err
}

func isStale(info os.FileInfo) bool { return time.Since(info.ModTime()) > candidateAge }

// judge says of each module that lies beside a guest's file what it thinks of it, as long as
// it lies there. What is accepted is kept ready, since it may take the file's place at any time.
func (g *Guests) judge(ctx context.Context, name string) {
	g.mu.Lock()
	before := g.judged[name]
	g.mu.Unlock()
	var judged []status.Judgement
	for _, module := range g.candidates(name) {
		j := judgementOf(before, module)
		if j == nil {
			j = g.judgement(ctx, name, module)
		}
		if j != nil && judgementOf(judged, module) == nil {
			judged = append(judged, *j)
		}
	}
	g.mu.Lock()
	g.judged[name] = judged
	g.mu.Unlock()
	for _, j := range before {
		if !slices.ContainsFunc(judged, func(now status.Judgement) bool { return now.Digest == j.Digest }) {
			g.dropSpare(name, j.Digest)
		}
	}
}

// judgementOf returns the judgement of a module with its signatures, or nil.
func judgementOf(all []status.Judgement, module trust.Module) *status.Judgement {
	for i := range all {
		if all[i].Digest == module.Digest.String() && all[i].Signatures == module.SignatureDigest() {
			return &all[i]
		}
	}
	return nil
}

// candidates reads the modules beside a guest's file.
func (g *Guests) candidates(name string) (modules []trust.Module) {
	entries, err := os.ReadDir(g.opts.Directory)
	if err != nil {
		return nil // look says so
	}
	for _, entry := range entries {
		ours, _ := filepath.Match(CandidateName(name, "*"), entry.Name())
		signature, _ := filepath.Match(trust.SignatureFile(CandidateName(name, "*")), entry.Name())
		if !ours || signature || len(modules) == candidatesMost {
			continue
		}
		if info, err := entry.Info(); err != nil || isStale(info) {
			continue // it was taken away meanwhile, or nobody waits for an answer
		}
		if module, err := trust.Read(filepath.Join(g.opts.Directory, entry.Name())); err == nil {
			modules = append(modules, module)
		}
	}
	return modules
}

// judgement tries a module; nil when there is no answer yet.
func (g *Guests) judgement(ctx context.Context, name string, module trust.Module) *status.Judgement {
	err := g.keepSpare(ctx, name, module)
	if err != nil && !IsRefused(err) {
		if ctx.Err() == nil {
			g.log.Log(ctx, laterLevel(err), "a guest that asks to be taken cannot be judged now", "guest", name, "digest", module.Digest.Short(), "error", err)
		}
		return nil
	}
	j := &status.Judgement{Digest: module.Digest.String(), Signatures: module.SignatureDigest(), Accepted: err == nil, At: status.Now()}
	if err != nil {
		j.Reason = err.Error()
	}
	g.log.Info("a guest asks to be taken", "guest", name, "digest", module.Digest.Short(), "accepted", j.Accepted, "reason", j.Reason)
	return j
}
