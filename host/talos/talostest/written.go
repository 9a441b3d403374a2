package talostest

import (
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/host/talos"
)

const decided = `"xid":"x","agent":"a","cohort":"c","suffixStart":1,"metrics":{"candidatePublished":1,"candidateReceived":1,"candidateProcessingStarted":1,"decisionCreatedAt":1,"dbSaveStarted":1,"dbSaveEnded":1}`

// Written returns the records of lines as a person writes them: "candidate STATEMAP", "keys [READ] [WRITTEN]",
// "commit V", "abort V", "duplicate V OF", "contradiction V", "refused", "other", "hole", each at the next position
// from 1 on.
func Written(text ...string) (all []Record) {
	for i, line := range text {
		word, rest, _ := strings.Cut(line, " ")
		kind, value := "Decision", "x"
		switch word {
		case "candidate":
			kind = "Candidate"
			value = fmt.Sprintf(`{"xid":"00000000-0000-4000-8000-%012d","agent":"a","cohort":"c","readset":[],"readvers":[],"snapshot":0,"writeset":[],"statemap":%s,"publishedAt":1}`, i+1, rest)
		case "keys":
			reads, writes, _ := strings.Cut(rest, " [")
			kind = "Candidate"
			value = fmt.Sprintf(`{"xid":"00000000-0000-4000-8000-%012d","agent":"a","cohort":"c","readset":%s,"readvers":[],"snapshot":0,"writeset":[%s,"statemap":[{"PAY":{}}],"publishedAt":1}`, i+1, reads, writes)
		case "refused":
			kind, value = "Candidate", `{}`
		case "commit":
			value = `{"decision":"committed","safepoint":0,"version":` + rest + `,` + decided + `}`
		case "abort":
			value = `{"decision":"aborted","version":` + rest + `,` + decided + `}`
		case "duplicate":
			v, of, _ := strings.Cut(rest, " ")
			value = `{"decision":"committed","safepoint":0,"version":` + of + `,"duplicateVersion":` + v + `,` + decided + `}`
		case "contradiction":
			value = `{"decision":"committed","version":` + rest + `,` + decided + `}`
		case "hole":
			continue
		default:
			kind = "Other"
		}
		all = append(all, Record{Position: talos.Position(i + 1), Value: []byte(value), Headers: []Header{{Name: "messageType", Value: []byte(kind)}}})
	}
	return all
}
