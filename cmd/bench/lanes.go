package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
)

// addedTrips are the round trips that the way to the database takes longer in the measurements of lanes.
var addedTrips = []time.Duration{0, 2500 * time.Microsecond}

// hotAccounts is how many rows the hot backlog writes.
const hotAccounts = 100

// laneRates is how fast the host installs a backlog with each number of lanes.
type laneRates struct {
	Backlog string    `json:"backlog"`
	AddedMs float64   `json:"added_round_trip_ms"`
	TripMs  float64   `json:"round_trip_ms"`  // as it was measured
	Rates   []float64 `json:"versions_per_s"` // one for each number of lanes
}

// compareLanes installs a uniform and a hot backlog with each number of lanes, next to the database
// and far from it. Each median is of as many rounds as the rest of the benchmark has.
func (m *benchmark) compareLanes(ctx context.Context, uniform *backlog, say func(string, ...any)) (all []laneRates, err error) {
	hot, err := m.fill(ctx, backlog{name: "hot", accounts: min(hotAccounts, m.options.Accounts)}, m.options.Candidates)
	if err != nil {
		return nil, err
	}
	for _, b := range []*backlog{uniform, hot} {
		for _, added := range addedTrips {
			rates, err := m.lanesAt(ctx, b, added)
			if err != nil {
				return nil, err
			}
			say("%s, %.1f ms of added round trip: with %v lanes %.0f versions/s", b.name, rates.AddedMs, m.options.LaneCounts, rates.Rates)
			all = append(all, rates)
		}
	}
	return all, nil
}

func (m *benchmark) lanesAt(ctx context.Context, b *backlog, added time.Duration) (rates laneRates, err error) {
	way, err := newDistance(m.Postgres.URL("postgres"), added)
	if err != nil {
		return rates, err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	trip, err := roundTrip(ctx, way.url("postgres"))
	if err != nil {
		return rates, err
	}
	rates = laneRates{Backlog: b.name, AddedMs: stage.Milliseconds(added), TripMs: stage.Milliseconds(trip)}
	each := make([][]float64, len(m.options.LaneCounts))
	for range m.options.Rounds {
		for i, lanes := range m.options.LaneCounts {
			run, err := m.install(ctx, b, func(bank *stage.Bank, s *stage.Settings) {
				s.Database.URL, s.Installer.Lanes = way.url(bank.Name), lanes
			})
			if err != nil {
				return rates, fmt.Errorf("%d lanes, %v of added round trip: %w", lanes, added, err)
			}
			each[i] = append(each[i], run.rate)
		}
	}
	for _, of := range each {
		rates.Rates = append(rates.Rates, median(of))
	}
	return rates, nil
}
