package replicator

import (
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
)

// ActionText writes an action as a script shows it (testdata/*.txt); empty for one that is not shown:
// Finished and Ahead have only journeys.
func ActionText(a Action) string {
	switch a := a.(type) {
	case *Connect:
		return fmt.Sprintf("connect lane %d%s", a.Lane, inDoubt(a.Doubt))
	case *Install:
		return groupText(a.Lane, a.Group) + usesText(a.Uses) + endsText(a.Ends) + lockText(a.LockWait)
	case *Beat:
		return fmt.Sprintf("beat lane %d", a.Lane)
	case *Disconnect:
		return fmt.Sprintf("disconnect lane %d", a.Lane)
	case *Quarantine:
		s := fmt.Sprintf("quarantine lane %d:", a.Lane)
		for _, r := range a.Rows {
			s += fmt.Sprintf(" %d (%s)", r.Version, r.Failure.Kind)
		}
		return s
	case *Respond:
		return fmt.Sprintf("respond lane %d: ", a.Lane) + answersText(a.Answers)
	case *Convert:
		s := fmt.Sprintf("convert by %d:", a.Generation)
		if a.Before != cohort.NoGeneration {
			s = fmt.Sprintf("convert by %d, compared with %d:", a.Generation, a.Before)
		}
		for _, w := range a.Works {
			s += " " + w.Version.String()
		}
		return s
	case *Refetch:
		return fmt.Sprintf("refetch %v", a.Versions)
	case *PauseFetch:
		return "pause"
	case *ResumeFetch:
		return "resume"
	case *Seek:
		return fmt.Sprintf("seek %d", a.To)
	case *Publish:
		return fmt.Sprintf("publish %d", a.Resume)
	case *CutOver:
		s := fmt.Sprintf("guest %d: generation %d from %d", a.Guest, a.Generation, a.From)
		if a.Why != "" {
			s += ", back: " + a.Why
		}
		return s
	case *Proven:
		return fmt.Sprintf("guest %d: generation %d is proven", a.Guest, a.Generation)
	case *Bring:
		return strings.TrimSpace(fmt.Sprintf("bring %s %s for request %d", a.Guest, a.Digest, a.Request))
	case *Retire:
		return fmt.Sprintf("retire generation %d", a.Generation)
	case *Notice:
		return noticeText(a)
	case *Stop:
		return stopText(a)
	}
	return ""
}

func groupText(lane cohort.Lane, g *queue.Group) string {
	versions := make([]string, len(g.Entries))
	for i, e := range g.Entries {
		versions[i] = e.Version.String()
	}
	list := strings.Join(versions, " ")
	switch {
	case !g.Frontier:
		return fmt.Sprintf("install lane %d ahead: %s", lane, list)
	case len(versions) == 0:
		list = "nothing"
	}
	if g.Chained {
		list += " (chained)"
	}
	s := fmt.Sprintf("install lane %d: %s; snapshot %d to %d, resume %d", lane, list, g.From, g.Snapshot, g.Resume)
	if g.Ledgered > 0 {
		s += fmt.Sprintf(", passes %d of the ledger", g.Ledgered)
	}
	return s
}

func usesText(uses []Use) string {
	s := ""
	for _, u := range uses {
		s += fmt.Sprintf("; history: generation %d from %d", u.Generation, u.From)
		if u.Only {
			s += " only"
		}
	}
	return s
}

// lockText says how long a statement waits for a lock where that is longer than at a first try.
func lockText(wait int64) string {
	if wait <= lockWait {
		return ""
	}
	return fmt.Sprintf("; lock=%dms", wait/1e6)
}

func endsText(ends []End) string {
	s := ""
	for _, e := range ends {
		if e.Request != 0 {
			s += fmt.Sprintf("; ends the quarantine of %d: %s, as request %d", e.Version, e.How, e.Request)
			continue
		}
		s += fmt.Sprintf("; ends the quarantine of %d: %s by %d", e.Version, e.How, e.Generation)
	}
	return s
}

func noticeText(n *Notice) string {
	if n.Kind == RequestAnswered {
		return "notice: request " + answersText([]Answer{n.Answer})
	}
	s := "notice: " + n.Kind.String()
	if n.Version != 0 {
		s += " " + n.Version.String()
	}
	if n.Failure.Kind != "" {
		s += " (" + n.Failure.Kind + ")"
	}
	if n.Later != 0 {
		s += fmt.Sprintf(", decided at %d and at %d", n.First, n.Later)
	}
	return s
}

func answersText(answers []Answer) string {
	all := make([]string, len(answers))
	for i, a := range answers {
		all[i] = fmt.Sprintf("%d %s", a.Request, a.Reply)
		if a.Words != "" {
			all[i] += " (" + a.Words + ")"
		}
	}
	return strings.Join(all, ", ")
}

// stopText leaves out the message of a failure that came from outside: its words are the shell's, and a
// script has none.
func stopText(a *Stop) string {
	f := a.Failure
	if f.Code != "" || f.Cause != nil {
		f.Message = ""
	}
	return strings.TrimSpace(fmt.Sprintf("stop: %v %v", a.Reason, f))
}

func inDoubt(g *queue.Group) string {
	if g == nil {
		return ""
	}
	return " in doubt"
}
