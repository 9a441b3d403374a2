package session

import (
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
)

// asked tells the core of requests of operators.
func (s *Session) asked(requests []installer.Request) {
	s.answer(&replicator.Asked{Requests: RequestsOf(requests)})
}

// RequestsOf says rows of ichor.request in the core's words.
func RequestsOf(rows []installer.Request) []replicator.Request {
	requests := make([]replicator.Request, len(rows))
	for i := range rows {
		r := &rows[i]
		requests[i] = replicator.Request{ID: r.ID, Verb: replicator.Verb(r.Verb), Version: r.Version, Guest: r.Guest, Digest: r.Digest, Who: r.Who, Why: r.Reason, At: r.AskedAt.UnixNano()}
	}
	return requests
}

// answersOf says the core's answers in the installer's words.
func answersOf(answers []replicator.Answer) []installer.Answer {
	rows := make([]installer.Answer, len(answers))
	for i, a := range answers {
		rows[i] = installer.Answer{Request: a.Request, Stands: a.Reply == replicator.ReplyTaken, Refused: a.Reply == replicator.ReplyRefused, Words: a.Words}
	}
	return rows
}
