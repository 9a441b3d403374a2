package stage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Counts are the positions of the log that a host has passed since it started, by what it takes them for: what
// ichor_records_total and ichor_positions_passed_total say.
type Counts map[string]int

// Counts asks the host.
func (h *Host) Counts(ctx context.Context) (Counts, error) {
	response, err := h.Get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	c, err := readCounts(response.Body)
	return c, errors.Join(err, response.Body.Close())
}

// readCounts reads metrics as Prometheus writes them.
func readCounts(from io.Reader) (Counts, error) {
	c := Counts{}
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), "{")
		if name != "ichor_records_total" && name != "ichor_positions_passed_total" {
			continue
		}
		_, rest, _ = strings.Cut(rest, `kind="`)
		kind, rest, _ := strings.Cut(rest, `"`)
		n, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		c[kind] += int(n)
	}
	return c, lines.Err()
}

// Against says where the counts of a host that has read the log from a position to its end are not those of an
// independent reader (I11): each position is counted once, and each record as what it is.
func (c Counts) Against(log *transcript.Log, from talos.Position) error {
	var errs []error
	kinds, sum := log.Kinds(from), 0
	for _, n := range c {
		sum += n
	}
	if positions := int(log.End - from); sum != positions {
		errs = append(errs, fmt.Errorf("%d of the log's %d positions from %d on are counted", sum, positions, from))
	}
	for kind, n := range map[transcript.Kind]int{
		transcript.KindCandidate: c["candidate"], transcript.KindRefused: c["refused"], transcript.KindDecision: c["decision"], transcript.KindOther: c["foreign"] + c["malformed"],
	} {
		if n != kinds[kind] {
			errs = append(errs, fmt.Errorf("%d records are counted as %s, and the log has %d from %d on", n, kind, kinds[kind], from))
		}
	}
	return errors.Join(errs...)
}
