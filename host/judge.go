package host

import (
	"context"
	"os"
	"path/filepath"

	"github.com/ichor-replicator/ichor/host/guest"
)

// Judgement is what a host thinks of a module that lies beside a guest's file and asks to take
// its place. The module was loaded and its SQL put to the database, and nothing was changed.
type Judgement struct {
	Digest   string `json:"digest"`           // of the module: SHA-256 in hexadecimal
	Accepted bool   `json:"accepted"`         // the host would take it
	Reason   string `json:"reason,omitempty"` // why not, for people
	At       int64  `json:"at_ns"`            // when it was judged, nanoseconds since the Unix epoch
}

// CandidateName names a file in the guests' directory whose module a host judges, for the guest
// of a name, without taking it; mark tells it from others.
func CandidateName(name, mark string) string { return "." + name + ".wasm.swap-" + mark }

// candidatesMost is how many files beside a guest's are judged; each is kept ready.
const candidatesMost = 4

// judge says of each module that lies beside a guest's file what it thinks of it, as long as
// it lies there. What is accepted is kept ready, since it may take the file's place at any time.
func (g *guests) judge(ctx context.Context, name string) {
	g.mu.Lock()
	before := g.judged[name]
	g.mu.Unlock()
	var judged []Judgement
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

func judgementOf(all []Judgement, digest string) *Judgement {
	for i := range all {
		if all[i].Digest == digest {
			return &all[i]
		}
	}
	return nil
}

// candidates reads the modules beside a guest's file.
func (g *guests) candidates(name string) (modules [][]byte) {
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
func (g *guests) judgement(ctx context.Context, name, digest string, module []byte) *Judgement {
	err := g.keepSpare(ctx, name, module)
	if err != nil && !refused(err) {
		if ctx.Err() == nil {
			g.log.Warn("a guest that asks to be taken cannot be judged now", "guest", name, "digest", digest[:12], "error", err)
		}
		return nil
	}
	j := &Judgement{Digest: digest, Accepted: err == nil, At: now()}
	if err != nil {
		j.Reason = err.Error()
	}
	g.log.Info("a guest asks to be taken", "guest", name, "digest", digest[:12], "accepted", j.Accepted, "reason", j.Reason)
	return j
}
