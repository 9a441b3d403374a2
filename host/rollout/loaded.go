package rollout

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Loaded is a generation that is in use, with what a conversion needs of it. It never changes.
type Loaded struct {
	ID         cohort.Generation
	Guest      cohort.GuestID
	Name       string
	Digest     string        // of the module: SHA-256 in hexadecimal
	Version    string        // the manifest's
	From       talos.Version // the first version that it converts; 0 while that is not known
	First      bool          // the guest had none before that could convert
	Refused    string        // why the guest has none that could convert: then Generation is nil, and Digest empty
	Generation *guest.Generation
	Templates  map[uint32]*installer.Template // by the manifest's ids
	NameOf     map[uint32][]string            // by the same: the template's name alone, that nobody changes
}

// Short returns the beginning of the digest, for logs.
func (l *Loaded) Short() string { return l.Digest[:min(12, len(l.Digest))] }

// ClassRefused is that of the versions of a guest that could not be had when the host began. The next file that is
// taken converts them.
const ClassRefused guest.Class = "guest_refused"

// Convert converts versions, as guest.Generation.ConvertSome does. Where the guest could not be had all of them are
// rejected.
func (l *Loaded) Convert(ctx context.Context, records []guest.Record, out *guest.Conversions, most int) error {
	if l.Generation != nil {
		return l.Generation.ConvertSome(ctx, records, out, most)
	}
	*out = guest.Conversions{Results: make([]guest.Conversion, len(records))}
	for i := range records {
		out.Results[i] = guest.Conversion{Version: records[i].Version, Status: guest.Rejected, Reject: &guest.Reject{Class: ClassRefused, Message: l.Refused}}
	}
	return nil
}

// MadeAs reports whether it made the same of a version as an earlier module did. What a guest that could not be had did is
// a rejection.
func (l *Loaded) MadeAs(before *Loaded, is, was *guest.Conversion) bool {
	return shadow.Alike(before.side(was), l.side(is))
}

func (l *Loaded) side(c *guest.Conversion) shadow.Side {
	if l.Generation == nil {
		return shadow.Side{Conversion: c}
	}
	return shadow.Side{Manifest: l.Generation.Manifest(), Conversion: c}
}

// guarded reports whether a template names a column that guards against a second install.
func (l *Loaded) guarded(id uint32) bool {
	return slices.ContainsFunc(l.Generation.Templates(), func(t abi.Template) bool { return t.ID == id && t.Guard != "" })
}

// templateKey is what makes two templates of different generations the same statement, so
// that a lane prepares it once.
type templateKey struct {
	sql    string
	params string // their types, joined
	rows   int
}

// templates are the statements of all generations.
type templates map[templateKey]*installer.Template

// namesOf returns for each template of a generation its name alone.
func namesOf(generation *guest.Generation) map[uint32][]string {
	names := map[uint32][]string{}
	for _, t := range generation.Manifest().Templates {
		names[t.ID] = []string{t.Name}
	}
	return names
}

// of returns the statements of a generation, those that another one has too once.
func (all templates) of(generation *guest.Generation) map[uint32]*installer.Template {
	its := map[uint32]*installer.Template{}
	for _, t := range generation.Manifest().Templates {
		key := templateKey{t.SQL, strings.Join(t.Params, ","), installer.AnyRows}
		if t.Rows != abi.AnyRows {
			key.rows = int(t.Rows)
		}
		if all[key] == nil {
			all[key] = &installer.Template{ID: t.ID, Name: t.Name, SQL: t.SQL, Params: t.Params, Rows: key.rows}
		}
		its[t.ID] = all[key]
	}
	return its
}

// Templates returns the statements of a generation by the numbers of their templates.
func Templates(generation *guest.Generation) map[uint32]*installer.Template {
	return templates{}.of(generation)
}

// Allowed returns what the settings of guests allow to their SQL, as a database is asked about it.
func Allowed(o *guest.Options) installer.Allowed {
	return installer.Allowed{Functions: o.SQL.Functions, Types: o.SQL.Types, Relations: o.SQL.Relations, Unbounded: o.SQL.Unbounded}
}

// TryTemplates gives a guest's templates to the database, and returns what it tells of them. A *guest.LoadError says that it does
// not take them.
func TryTemplates(ctx context.Context, store *installer.Installer, generation *guest.Generation) (told []string, err error) {
	var all []installer.Template
	for _, t := range generation.Templates() {
		all = append(all, installer.Template{ID: t.ID, Name: t.Name, SQL: t.SQL, Params: t.Params})
	}
	told, err = store.CheckTemplates(ctx, all)
	var refused *installer.TemplateError
	var rights *installer.RightsError
	if errors.As(err, &refused) || errors.As(err, &rights) {
		return nil, &guest.LoadError{Guest: generation.Name(), Step: guest.StepDatabase, What: "the database does not take its SQL", Err: err}
	}
	return told, err
}

// statements returns those by which versions may be installed.
func (g *Guests) statements() []*installer.Template {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.statementsLocked()
}

// statementsLocked is statements. g.mu is held.
func (g *Guests) statementsLocked() (all []*installer.Template) {
	for _, l := range g.byID {
		for _, t := range l.Templates {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// lookAtTables has the store judge the statements again if the database changed.
func (g *Guests) lookAtTables(ctx context.Context) {
	if err := g.store.Look(ctx, g.statements()); err != nil && ctx.Err() == nil {
		g.log.Log(ctx, laterLevel(err), "whether the database still takes the guests' statements is asked again later", "error", err)
	}
}
