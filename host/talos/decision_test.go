package talos

import (
	"errors"
	"strings"
	"testing"
)

const metrics = `"metrics":{"certificationStarted":1,"requestCreated":2,"candidatePublished":3,"candidateReceived":4,` +
	`"candidateProcessingStarted":5,"decisionCreatedAt":6,"dbSaveStarted":7,"dbSaveEnded":8}`

func decision(fields string) string {
	return `{"_typ":"DecisionMessage","xid":"x","agent":"a","cohort":"c","suffixStart":20,` + metrics + `,` + fields + `}`
}

func TestDecodeDecision(t *testing.T) {
	head := Decision{XID: "x", Agent: "a", Cohort: "c", SuffixStart: 20}
	for _, c := range []struct {
		name, fields  string
		contradictory bool
		change        func(*Decision)
	}{
		{"committed", `"decision":"committed","version":1042,"safepoint":1037,"time":"2025-09-29T04:07:05.2Z"`, false, func(d *Decision) {
			d.Outcome, d.Version, d.Original, d.Safepoint, d.HasSafepoint, d.Time = Committed, 1042, 1042, 1037, true, "2025-09-29T04:07:05.2Z"
		}},
		{"aborted", `"decision":"aborted","version":9,"conflictVersion":7`, false, func(d *Decision) {
			d.Outcome, d.Version, d.Original, d.ConflictVersion = Aborted, 9, 9, 7
		}},
		{"nulls are absent", `"decision":"aborted","version":9,"conflictVersion":null,"safepoint":null,"duplicateVersion":null,"time":null`, false, func(d *Decision) {
			d.Outcome, d.Version, d.Original = Aborted, 9, 9
		}},
		{"duplicate", `"decision":"committed","version":1042,"duplicateVersion":1060,"safepoint":0`, false, func(d *Decision) {
			d.Outcome, d.Version, d.Original, d.Duplicate, d.HasSafepoint = Committed, 1060, 1042, true, true
		}},
		{"duplicate of a later version", `"duplicateVersion":1116,"conflictVersion":1116,"decision":"aborted","version":1117`, false, func(d *Decision) {
			d.Outcome, d.Version, d.Original, d.Duplicate, d.ConflictVersion = Aborted, 1116, 1117, true, 1116
		}},
		{"committed without a safepoint", `"decision":"committed","version":5`, true, func(d *Decision) {
			d.Outcome, d.Version, d.Original = Committed, 5, 5
		}},
		{"aborted with a safepoint", `"decision":"aborted","version":5,"safepoint":4`, true, func(d *Decision) {
			d.Outcome, d.Version, d.Original, d.Safepoint, d.HasSafepoint = Aborted, 5, 5, 4, true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := head
			c.change(&want)
			got := Decision{ConflictVersion: 99, Duplicate: true}
			if err := DecodeDecision([]byte(decision(c.fields)), &got); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if got.Contradictory() != c.contradictory {
				t.Errorf("contradictory is %v", got.Contradictory())
			}
		})
	}
}

func TestDecodeDecisionRefuses(t *testing.T) {
	whole := decision(`"decision":"aborted","version":9`)
	for _, c := range []struct{ name, text, reason, field string }{
		{"no JSON", "aborted", ReasonNotJSON, ""},
		{"trailing bytes", whole + "!", ReasonTrailingBytes, ""},
		{"no version", decision(`"decision":"aborted"`), ReasonMissingField, "version"},
		{"no decision", decision(`"version":9`), ReasonMissingField, "decision"},
		{"no metrics", strings.Replace(whole, metrics, `"x":1`, 1), ReasonMissingField, "metrics"},
		{"null metrics", strings.Replace(whole, metrics, `"metrics":null`, 1), ReasonNullField, "metrics"},
		{"no dbSaveEnded", strings.Replace(whole, `,"dbSaveEnded":8`, ``, 1), ReasonMissingField, "dbSaveEnded"},
		{"metric twice", strings.Replace(whole, `"dbSaveEnded":8`, `"dbSaveEnded":8,"dbSaveEnded":8`, 1), ReasonRepeatedField, "dbSaveEnded"},
		{"metric with a fraction", strings.Replace(whole, `"dbSaveEnded":8`, `"dbSaveEnded":8.0`, 1), ReasonBadInteger, "dbSaveEnded"},
		{"metric beyond 128 bits", strings.Replace(whole, `"dbSaveEnded":8`, `"dbSaveEnded":`+min128, 1), ReasonBadInteger, "dbSaveEnded"},
		{"null requestCreated", strings.Replace(whole, `"requestCreated":2`, `"requestCreated":null`, 1), ReasonNullField, "requestCreated"},
		{"Committed", decision(`"decision":"Committed","version":9`), ReasonUnknownOutcome, "decision"},
		{"no outcome", decision(`"decision":"","version":9`), ReasonUnknownOutcome, "decision"},
		{"negative version", decision(`"decision":"aborted","version":-9`), ReasonBadInteger, "version"},
		{"null version", decision(`"decision":"aborted","version":null`), ReasonNullField, "version"},
		{"safepoint as text", decision(`"decision":"aborted","version":9,"safepoint":"1"`), ReasonWrongType, "safepoint"},
		{"safepoint nil", decision(`"decision":"aborted","version":9,"safepoint":nil`), ReasonNotJSON, "safepoint"},
		{"version twice", decision(`"decision":"aborted","version":9,"version":9`), ReasonRepeatedField, "version"},
		{"time a number", decision(`"decision":"aborted","version":9,"time":1`), ReasonWrongType, "time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Decision
			refused := (*Refused)(nil)
			if err := DecodeDecision([]byte(c.text), &got); !errors.As(err, &refused) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if refused.Reason != c.reason || refused.Field != c.field {
				t.Errorf("got %v, want %s (%s)", refused, c.reason, c.field)
			}
		})
	}
}

func TestDecodeDecisionPassesOverWhatItDoesNotKnow(t *testing.T) {
	text := strings.Replace(decision(`"decision":"aborted","version":9,"conflicts":[{}],"new":"`+"\xff"+`"`),
		`"certificationStarted":1,"requestCreated":2,`, `"extra":{"a":[1]},`, 1)
	text = strings.Replace(text, `"dbSaveStarted":7`, `"dbSaveStarted":-`+min128, 1)
	var got Decision
	if err := DecodeDecision([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != 9 || got.Outcome != Aborted {
		t.Errorf("got %+v", got)
	}
}
