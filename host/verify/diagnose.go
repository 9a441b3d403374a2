package verify

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Diagnosis says what would explain rows that differ: a replay that was changed in this one way gives
// exactly the rows that the cohort has.
type Diagnosis struct {
	What    Cause         `json:"what"`
	Version talos.Version `json:"version"`
	Rows    int           `json:"rows"` // that it explains
}

// Cause is what may have gone wrong with a version, in one stable word.
type Cause string

// The causes.
const (
	LeftOut Cause = "left_out" // it did not take effect
	Twice   Cause = "twice"    // it took effect twice
	Stale   Cause = "stale"    // it is the first of several that the row lacks: the row is as it was before
)

// The bounds of looking into it: rows that are watched, and versions that are installed again.
const (
	watchedMax = 10
	againMax   = 20_000
	triesLeast = 10 // replays of all versions that fit into that, or they are not tried
)

// watched is a row that differs, and what became of it in a replay.
type watched struct {
	table   *installer.Table
	key     string
	got     string
	now     string
	want    string          // after the whole replay
	writers []talos.Version // that changed it
	same    talos.Version   // the last after which it was as the cohort has it
	ever    bool            // there was one, perhaps the start
}

// diagnose replays once more and watches the first rows that differ, then tries what would explain them.
func (v *verification) diagnose(ctx context.Context) error {
	rows := v.differing()
	if len(rows) == 0 {
		return nil
	}
	v.Say("looking into %d rows that differ", len(rows))
	works, all, err := v.watch(ctx, rows)
	if err != nil {
		return err
	}
	// What a version does may depend on rows that are not watched: then those that changed the watched ones give others
	// than all of them do, and nothing follows from trying them alone.
	enough, err := v.reproduced(ctx, rows, works)
	if err != nil {
		return err
	}
	left := rows
	if !enough {
		works = all
	}
	if len(works) > 0 {
		if left, err = v.explain(ctx, rows, works); err != nil {
			return err
		}
	}
	for _, row := range left {
		if next := slices.IndexFunc(row.writers, func(w talos.Version) bool { return w > row.same }); row.ever && next >= 0 {
			v.blame(Stale, row.writers[next])
		}
	}
	return nil
}

// blame notes that a version explains one more row.
func (v *verification) blame(what Cause, version talos.Version) {
	at := slices.IndexFunc(v.report.Diagnosis, func(d Diagnosis) bool { return d.What == what && d.Version == version })
	if at < 0 {
		at = len(v.report.Diagnosis)
		v.report.Diagnosis = append(v.report.Diagnosis, Diagnosis{What: what, Version: version})
	}
	v.report.Diagnosis[at].Rows++
}

// differing returns the first rows that differ, of tables in which a row can be found again.
func (v *verification) differing() []*watched {
	var all []*watched
	for i, t := range v.tables {
		for _, d := range v.report.Tables[i].First {
			if len(t.Key) > 0 && len(all) < watchedMax {
				all = append(all, &watched{table: t, key: d.Key, got: d.Got})
			}
		}
	}
	return all
}

// watch replays from the start and notes which versions change the watched rows. It returns what those
// versions install, and what all install where they are few enough to be tried; else nil.
func (v *verification) watch(ctx context.Context, rows []*watched) (works, all map[talos.Version]suspect, err error) {
	if err := v.serial.Rewind(ctx); err != nil {
		return nil, nil, err
	}
	works, all = map[talos.Version]suspect{}, map[talos.Version]suspect{}
	for _, row := range rows {
		if err := v.find(ctx, row); err != nil {
			return nil, nil, err
		}
		row.ever = row.now == row.got
	}
	v.replay.After = func(ctx context.Context, w *installer.Work) error {
		changed := v.serial.Changed()
		if all != nil {
			all[w.Version] = suspect{w, changed}
		}
		if len(all) > againMax/triesLeast {
			all = nil
		}
		for _, row := range rows {
			before := row.now
			if err := v.find(ctx, row); err != nil {
				return err
			}
			if row.now == before {
				continue
			}
			row.writers, works[w.Version] = append(row.writers, w.Version), suspect{w, changed}
			if row.now == row.got {
				row.same, row.ever = w.Version, true
			}
		}
		return nil
	}
	_, err = v.replay.Run(ctx)
	for _, row := range rows {
		row.want = row.now
	}
	return works, all, err
}

// reproduced reports whether versions by themselves give the watched rows that all give.
func (v *verification) reproduced(ctx context.Context, rows []*watched, works map[talos.Version]suspect) (bool, error) {
	if err := v.serial.Rewind(ctx); err != nil {
		return false, err
	}
	for _, at := range slices.Sorted(maps.Keys(works)) {
		err := v.serial.Install(ctx, works[at].work)
		var refused *installer.Error
		if errors.As(err, &refused) && refused.Class == installer.Poison && !refused.Lost {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	for _, row := range rows {
		if err := v.find(ctx, row); err != nil || row.now != row.want {
			return false, err
		}
	}
	return true, nil
}

func (v *verification) find(ctx context.Context, row *watched) (err error) {
	row.now, err = v.serial.Find(ctx, row.table, row.key)
	return err
}

// explain tries, for each version that changed one of the rows, a replay without it and one that has it
// twice. It returns the rows that none of them explains.
func (v *verification) explain(ctx context.Context, rows []*watched, works map[talos.Version]suspect) ([]*watched, error) {
	left := slices.Clone(rows)
	budget := againMax
	for _, version := range suspects(rows) {
		for _, what := range []Cause{LeftOut, Twice} {
			if budget -= len(works); len(left) == 0 || budget < 0 {
				return left, nil
			}
			explained, err := v.suppose(ctx, left, works, version, what)
			if err != nil {
				return nil, err
			}
			for _, row := range explained {
				v.blame(what, version)
				left = slices.DeleteFunc(left, func(is *watched) bool { return is == row })
			}
		}
	}
	return left, nil
}

// suspect is a version that changed one of the rows, and how many that were there it changed in all.
type suspect struct {
	work    *installer.Work
	changed int
}

// suspects returns the versions that changed the rows, those first that changed most of them.
func suspects(rows []*watched) []talos.Version {
	counts := map[talos.Version]int{}
	var all []talos.Version
	for _, row := range rows {
		for _, w := range row.writers {
			if counts[w] == 0 {
				all = append(all, w)
			}
			counts[w]++
		}
	}
	slices.SortFunc(all, func(a, b talos.Version) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return int(a) - int(b)
	})
	return all
}

// suppose replays what changed the rows, but for one thing, and returns the rows that are then as the
// cohort has them. All rows that the version changed must be among them, or it is no explanation.
func (v *verification) suppose(ctx context.Context, rows []*watched, works map[talos.Version]suspect, version talos.Version, what Cause) ([]*watched, error) {
	if err := v.serial.Rewind(ctx); err != nil {
		return nil, err
	}
	for _, at := range slices.Sorted(maps.Keys(works)) {
		err := v.installAs(ctx, rows, works[at].work, at == version, what)
		var refused *installer.Error
		if errors.As(err, &refused) && refused.Class == installer.Poison && !refused.Lost {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	var explained []*watched
	for _, row := range rows {
		if err := v.find(ctx, row); err != nil {
			return nil, err
		}
		if row.now == row.got && slices.Contains(row.writers, version) {
			explained = append(explained, row)
		}
	}
	if len(explained) < works[version].changed {
		return nil, nil
	}
	return explained, nil
}

// installAs installs a version once, or if it is the suspect as it is supposed to have been. That it was
// installed twice means that no guard kept it from that.
func (v *verification) installAs(ctx context.Context, rows []*watched, w *installer.Work, suspected bool, what Cause) error {
	if suspected && what == LeftOut {
		return nil
	}
	err := v.serial.Install(ctx, w)
	if err != nil || !suspected {
		return err
	}
	for _, row := range rows {
		if row.table.Guard != "" && slices.Contains(row.writers, w.Version) {
			if err := v.serial.Unguard(ctx, row.table, row.key, w.Version); err != nil {
				return err
			}
		}
	}
	return v.serial.Install(ctx, w)
}
