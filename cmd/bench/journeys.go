package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/host/talos"
)

const (
	askEvery      = 500 * time.Millisecond
	journeysAsked = 250 // a sample: asking for all of them would be a load of its own
)

// journeys are the host's own figures about a sample of the versions. One goroutine uses them
// at a time.
type journeys struct {
	address  string
	leaveOut time.Duration
	client   http.Client
	begun    time.Time
	seen     map[talos.Version]journey
}

// journey is how long one version took.
type journey struct {
	begun                       time.Time
	fromCandidate, fromDecision time.Duration
}

func newJourneys(address string, leaveOut time.Duration) *journeys {
	return &journeys{address: address, leaveOut: leaveOut, client: http.Client{Timeout: 5 * time.Second}, seen: map[talos.Version]journey{}}
}

// sample asks until the context ends.
func (j *journeys) sample(ctx context.Context) error {
	j.begun = time.Now()
	for {
		if err := sleep(ctx, askEvery); err != nil {
			return err
		}
		if err := j.ask(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// ask asks the host for its newest journeys.
func (j *journeys) ask(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/v1/journeys?limit=%d", j.address, journeysAsked), nil)
	if err != nil {
		return err
	}
	response, err := j.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the host for its journeys: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Recent []struct {
			Version talos.Version
			Events  []struct {
				Event string
				At    int64 `json:"at_ns"`
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the host for its journeys: %s: %w", response.Status, err)
	}
	for _, r := range answer.Recent {
		at := map[string]int64{}
		for _, e := range r.Events {
			at[e.Event] = e.At
		}
		candidate, installed := at["ReplicatorCandidateReceived"], at["InstallerStatemapInstallationComplete"]
		if candidate == 0 || installed == 0 || time.Unix(0, candidate).Sub(j.begun) < j.leaveOut {
			continue
		}
		j.seen[r.Version] = journey{time.Unix(0, candidate), time.Duration(installed - candidate), time.Duration(installed - at["ReplicatorDecisionReceived"])}
	}
	return nil
}

// latencies are what the journeys say together.
type latencies struct {
	journeys                                         int
	candidate50, candidate99, decision50, decision99 time.Duration
}

// summary is of the journeys whose beginning is wanted.
func (j *journeys) summary(wanted func(time.Time) bool) latencies {
	var fromCandidate, fromDecision []time.Duration
	for _, one := range j.seen {
		if !wanted(one.begun) {
			continue
		}
		fromCandidate, fromDecision = append(fromCandidate, one.fromCandidate), append(fromDecision, one.fromDecision)
	}
	return latencies{
		len(fromCandidate), percentile(fromCandidate, 50), percentile(fromCandidate, 99), percentile(fromDecision, 50), percentile(fromDecision, 99),
	}
}

// percentile returns the smallest value that p of 100 do not exceed; 0 for none. It sorts them.
func percentile(values []time.Duration, p int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)*p+99)/100-1]
}
