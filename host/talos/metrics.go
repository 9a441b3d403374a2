package talos

import "slices"

// metricNames are the integers that a decision's metrics hold. The certifier fills them in and
// nobody here reads their values; the parser of the protocol demands all but the first two.
var metricNames = []string{
	"certificationStarted",
	"requestCreated",
	"candidatePublished",
	"candidateReceived",
	"candidateProcessingStarted",
	"decisionCreatedAt",
	"dbSaveStarted",
	"dbSaveEnded",
}

const optionalMetrics = 2

// metricSet holds a bit for each of metricNames.
type metricSet uint8

// readMetrics checks the metrics of a decision.
func (r *decisionReader) readMetrics() bool {
	for name := range r.fields() {
		r.field = "metrics"
		i := slices.Index(metricNames, name)
		if i < 0 {
			if !r.skip(2, nil) {
				return false
			}
			continue
		}
		r.field = metricNames[i]
		if r.metrics>>i&1 == 1 {
			return r.refuse(ReasonRepeatedField, r.at)
		}
		r.metrics |= 1 << i
		if !r.anyInteger() {
			return false
		}
	}
	if r.refused != nil {
		return false
	}
	for i := optionalMetrics; i < len(metricNames); i++ {
		if r.metrics>>i&1 == 0 {
			r.field = metricNames[i]
			return r.refuse(ReasonMissingField, r.at)
		}
	}
	return true
}
