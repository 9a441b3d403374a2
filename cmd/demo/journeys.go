package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/talos"
)

// journeysAsked is how many of the recent journeys are asked for at once.
const journeysAsked = 1500

// journeys collects what the host says about the way of each version. They are the host's own
// figures: nobody else knows them.
type journeys struct {
	address string
	client  http.Client

	mu   sync.Mutex
	seen map[talos.Version]journey
}

// journey is the way of one version.
type journey struct {
	guest               string // the digest of the guest that converted it
	installed, snapshot time.Duration
	hasInstalled        bool
	// Around the guest call: from the candidate to it, in it, and from it to the
	// installation.
	before, call, after time.Duration
	hasCall             bool
}

func newJourneys(address string) *journeys {
	return &journeys{address: address, client: http.Client{Timeout: 5 * time.Second}, seen: map[talos.Version]journey{}}
}

// ask asks the host once. While it is down there is no answer, which is an error.
func (j *journeys) ask(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("http://%s/v1/journeys?limit=%d", j.address, journeysAsked), nil)
	if err != nil {
		return err
	}
	response, err := j.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the host answers %s", response.Status)
	}
	var answer struct {
		Recent []struct {
			Version talos.Version
			Guest   string
			Events  []struct {
				Event string
				At    int64 `json:"at_ns"`
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("the host's journeys: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range answer.Recent {
		at := map[string]int64{}
		for _, e := range r.Events {
			at[e.Event] = e.At
		}
		begun := at["ReplicatorCandidateReceived"]
		installed, hasInstalled := at["InstallerStatemapInstallationComplete"]
		persisted, hasPersisted := at["SnapshotPersisted"]
		if begun == 0 || !hasPersisted {
			continue
		}
		j.seen[r.Version] = journey{
			guest: r.Guest, installed: time.Duration(installed - begun), hasInstalled: hasInstalled,
			snapshot: time.Duration(persisted - begun),
		}.withCall(at)
	}
	return nil
}

// withCall adds the times around the guest call, by the names of the events.
func (j journey) withCall(at map[string]int64) journey {
	called, answered := at["GuestConversionBegin"], at["GuestConversionComplete"]
	if j.hasCall = called != 0 && answered != 0 && j.hasInstalled; j.hasCall {
		j.before = time.Duration(called - at["ReplicatorCandidateReceived"])
		j.call = time.Duration(answered - called)
		j.after = time.Duration(at["InstallerStatemapInstallationComplete"] - answered)
	}
	return j
}

// all returns the journeys that were seen.
func (j *journeys) all() map[talos.Version]journey {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seen
}

// latencies are what the journeys say together.
type latencies struct {
	journeys                     int
	install50, install99, snap99 time.Duration
	before, call, after          spread // around the guest call
}

// spread is a median and the 99th percentile.
type spread struct{ p50, p99 time.Duration }

func spreadOf(values []time.Duration) spread {
	return spread{percentile(values, 50), percentile(values, 99)}
}

// summarise takes the percentiles of all journeys that were seen.
func summarise(seen map[talos.Version]journey) latencies {
	var installed, snapshot, before, call, after []time.Duration
	for _, j := range seen {
		snapshot = append(snapshot, j.snapshot)
		if j.hasInstalled {
			installed = append(installed, j.installed)
		}
		if j.hasCall {
			before, call, after = append(before, j.before), append(call, j.call), append(after, j.after)
		}
	}
	return latencies{
		journeys: len(installed), install50: percentile(installed, 50), install99: percentile(installed, 99), snap99: percentile(snapshot, 99),
		before: spreadOf(before), call: spreadOf(call), after: spreadOf(after),
	}
}

// percentile returns the smallest value that p of 100 do not exceed; 0 for none.
func percentile(values []time.Duration, p int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)*p+99)/100-1]
}
