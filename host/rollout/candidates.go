package rollout

import (
	"context"
	"os"
	"path/filepath"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/status"
)

// CandidateName names a file in the guests' directory whose module a host judges, for the guest
// of a name, without taking it; mark tells it from others.
func CandidateName(name, mark string) string { return "." + name + ".wasm.swap-" + mark }

// candidatesMost is how many files beside a guest's are judged; each is kept ready.
const candidatesMost = 4

// judge says of each module that lies beside a guest's file what it thinks of it, as long as
// it lies there. What is accepted is kept ready, since it may take the file's place at any time.
func (g *Guests) judge(ctx context.Context, name string) {
	g.mu.Lock()
	before := g.judged[name]
	g.mu.Unlock()
	var judged []status.Judgement
	for _, module := range g.candidates(name) {
		digest := guest.DigestOf(module).String()
		j := judgementOf(before, digest)
		if j == nil {
			j = g.judgement(ctx, name, digest, module)
		}
		if j != nil && judgementOf(judged, digest) == nil {
			judged = append(judged, *j)
		}
	}
	g.mu.Lock()
	g.judged[name] = judged
	g.mu.Unlock()
	for _, j := range before {
		if judgementOf(judged, j.Digest) == nil {
			if generation := g.takeSpare(name, j.Digest); generation != nil {
				g.free(generation)
			}
		}
	}
}

func judgementOf(all []status.Judgement, digest string) *status.Judgement {
	for i := range all {
		if all[i].Digest == digest {
			return &all[i]
		}
	}
	return nil
}

// candidates reads the modules beside a guest's file.
func (g *Guests) candidates(name string) (modules [][]byte) {
	entries, err := os.ReadDir(g.opts.Directory)
	if err != nil {
		return nil // look says so
	}
	for _, entry := range entries {
		if ours, _ := filepath.Match(CandidateName(name, "*"), entry.Name()); !ours || len(modules) == candidatesMost {
			continue
		}
		// One that cannot be read was taken away meanwhile, or nobody waits for an answer.
		if module, err := guest.ReadFile(filepath.Join(g.opts.Directory, entry.Name())); err == nil {
			modules = append(modules, module)
		}
	}
	return modules
}

// judgement tries a module; nil when there is no answer yet.
func (g *Guests) judgement(ctx context.Context, name, digest string, module []byte) *status.Judgement {
	err := g.keepSpare(ctx, name, module)
	if err != nil && !isRefused(err) {
		if ctx.Err() == nil {
			g.log.Warn("a guest that asks to be taken cannot be judged now", "guest", name, "digest", digest[:12], "error", err)
		}
		return nil
	}
	j := &status.Judgement{Digest: digest, Accepted: err == nil, At: status.Now()}
	if err != nil {
		j.Reason = err.Error()
	}
	g.log.Info("a guest asks to be taken", "guest", name, "digest", digest[:12], "accepted", j.Accepted, "reason", j.Reason)
	return j
}
