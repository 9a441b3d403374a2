package main

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
)

// conversions is what the history proves about the guests.
type conversions struct {
	Guests   []conversion `json:"guests"`
	Journeys int          `json:"journeys_compared"` // versions of which the host also said who converted them
	Problems []string     `json:"problems,omitempty"`
}

// conversion is what one guest converted.
type conversion struct {
	Digest   string        `json:"digest"`
	From     talos.Version `json:"from_version"`
	Versions int           `json:"versions"`
}

const problemsShown = 10

func (c *conversions) problem(format string, args ...any) {
	if len(c.Problems) < problemsShown {
		c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
	}
}

// prove checks that the guests that were placed are those of the history, in their order, that
// the history names exactly one of them for each installed version, and that the host's
// journeys name the same.
func prove(uses []cohort.Use, placed []string, installed []talos.Version, seen map[talos.Version]journey) conversions {
	var c conversions
	var ranges []cohort.Use
	alone := map[talos.Version]string{}
	for _, u := range uses {
		if u.Only {
			alone[u.From] = u.Digest
			continue
		}
		ranges = append(ranges, u)
		c.Guests = append(c.Guests, conversion{Digest: u.Digest, From: u.From})
	}
	if names := digests(ranges); !slices.Equal(names, placed) {
		c.problem("the history names the guests %s, placed were %s", short(names), short(placed))
	}
	for _, v := range installed {
		i := sort.Search(len(ranges), func(i int) bool { return ranges[i].From > v }) - 1
		digest, exception := alone[v]
		switch {
		case exception && !slices.Contains(placed, digest):
			c.problem("version %v was converted by %.12s, which was never placed", v, digest)
		case !exception && i < 0:
			c.problem("the history names no guest for version %v", v)
			continue
		case !exception:
			digest = ranges[i].Digest
			c.Guests[i].Versions++
		}
		if j, ok := seen[v]; ok && j.guest != "" {
			c.Journeys++
			if !strings.HasPrefix(digest, j.guest) {
				c.problem("version %v was converted by %.12s, the history says %.12s", v, j.guest, digest)
			}
		}
	}
	return c
}

func digests(uses []cohort.Use) []string {
	var all []string
	for _, u := range uses {
		all = append(all, u.Digest)
	}
	return all
}

func short(digests []string) string {
	var all []string
	for _, d := range digests {
		all = append(all, d[:min(12, len(d))])
	}
	return "[" + strings.Join(all, " ") + "]"
}
