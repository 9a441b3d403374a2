package monitoring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// oldest is the lowest schema of dashboards that ours may claim to have: what Grafana changed between it and the schema of
// its own types is nothing that ours uses. A dashboard of a lower one it rewrites at each load.
const oldest = 39

// known are those of Grafana's units that the dashboard may use; another is added by the name that Grafana's module has for it.
var known = []string{units.NoUnit, units.Short, units.Seconds, units.BytesIEC, units.PercentUnit, units.CountsPerSecond}

// decoded is a dashboard as Grafana's own types have it.
type decoded struct {
	dashboard.Dashboard
	rows   []dashboard.RowPanel
	panels []panel
}

type panel struct {
	dashboard.Panel
	queries []prometheus.Dataquery
}

// decode says what of a dashboard Grafana's own types do not have, or not like that. Each part is decoded by its own type: a
// whole that is asked to be strict leaves out what is within a panel.
func decode(text []byte) (d decoded, err error) {
	errs := []error{in("the dashboard", d.UnmarshalJSONStrict(text))}
	if d.SchemaVersion < oldest || d.SchemaVersion > dashboard.NewDashboard().SchemaVersion {
		errs = append(errs, fmt.Errorf("schemaVersion is %d", d.SchemaVersion))
	}
	var whole struct{ Panels []json.RawMessage }
	errs = append(errs, json.Unmarshal(text, &whole))
	for i, raw := range whole.Panels {
		var within struct {
			Type                 string
			FieldConfig, Options json.RawMessage
			Targets              []json.RawMessage
		}
		what := fmt.Sprintf("panel %d", i)
		errs = append(errs, json.Unmarshal(raw, &within))
		if within.Type == "row" {
			var row dashboard.RowPanel
			errs = append(errs, in(what, row.UnmarshalJSONStrict(raw)))
			d.rows = append(d.rows, row)
			continue
		}
		var p panel
		errs = append(errs, in(what, p.UnmarshalJSONStrict(raw)), in(what, new(dashboard.FieldConfigSource).UnmarshalJSONStrict(within.FieldConfig)))
		for _, target := range within.Targets {
			var query prometheus.Dataquery
			errs = append(errs, in(what, query.UnmarshalJSONStrict(target)))
			p.queries = append(p.queries, query)
		}
		errs = append(errs, in(what, fieldErrors(&p.Panel)), in(what, optionErrors(within.Type, within.Options)))
		d.panels = append(d.panels, p)
	}
	return d, errors.Join(errs...)
}

// in names what an error is of. A list of errors that is empty is none.
func in(what string, err error) error {
	var list cog.BuildErrors
	if err == nil || errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// fieldErrors says what a panel's fields have that is none of Grafana's words.
func fieldErrors(p *dashboard.Panel) error {
	if p.FieldConfig == nil {
		return nil
	}
	var errs []error
	if unit := p.FieldConfig.Defaults.Unit; unit != nil {
		errs = append(errs, oneOf("unit", *unit, known...))
	}
	if t := p.FieldConfig.Defaults.Thresholds; t != nil {
		errs = append(errs, oneOf("mode of thresholds", t.Mode, dashboard.ThresholdsModeAbsolute, dashboard.ThresholdsModePercentage))
	}
	return errors.Join(errs...)
}

// optionErrors says what a panel's options have that its type does not, or that is none of Grafana's words.
func optionErrors(of string, options []byte) error {
	switch of {
	case "stat":
		o := stat.NewOptions()
		return errors.Join(in("options", o.UnmarshalJSONStrict(options)),
			oneOf("graphMode", o.GraphMode, common.BigValueGraphModeNone, common.BigValueGraphModeLine, common.BigValueGraphModeArea),
			oneOf("colorMode", o.ColorMode, common.BigValueColorModeNone, common.BigValueColorModeValue, common.BigValueColorModeBackground, common.BigValueColorModeBackgroundSolid),
			oneOf("justifyMode", o.JustifyMode, common.BigValueJustifyModeAuto, common.BigValueJustifyModeCenter),
			oneOf("textMode", o.TextMode, common.BigValueTextModeAuto, common.BigValueTextModeValue, common.BigValueTextModeValueAndName, common.BigValueTextModeName, common.BigValueTextModeNone),
			oneOf("orientation", o.Orientation, common.VizOrientationAuto, common.VizOrientationVertical, common.VizOrientationHorizontal))
	case "timeseries":
		o := timeseries.NewOptions()
		return errors.Join(in("options", o.UnmarshalJSONStrict(options)),
			oneOf("displayMode", o.Legend.DisplayMode, common.LegendDisplayModeList, common.LegendDisplayModeTable, common.LegendDisplayModeHidden),
			oneOf("placement", o.Legend.Placement, common.LegendPlacementBottom, common.LegendPlacementRight),
			oneOf("mode of tooltips", o.Tooltip.Mode, common.TooltipDisplayModeSingle, common.TooltipDisplayModeMulti, common.TooltipDisplayModeNone),
			oneOf("sort", o.Tooltip.Sort, common.SortOrderAscending, common.SortOrderDescending, common.SortOrderNone))
	}
	return fmt.Errorf("there is no type of panel %q, or its options are not looked at here", of)
}

// oneOf returns an error for a word that is none of Grafana's.
func oneOf[T ~string](what string, value T, all ...T) error {
	if slices.Contains(all, value) {
		return nil
	}
	return fmt.Errorf("there is no %s %q", what, value)
}

func text(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(examples + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The dashboard is what Grafana's own types decode strictly, no panel lies on another, and each query is one that
// Prometheus can answer from a host.
func TestTheDashboardAsksForWhatHostsHave(t *testing.T) {
	d, err := decode(text(t))
	if err != nil {
		t.Fatal(err)
	}
	metrics, taken, ids := described(t), map[[2]uint32]string{}, map[uint32]bool{}
	place := func(id *uint32, title *string, at *dashboard.GridPos) {
		if id == nil || title == nil || at == nil || ids[*id] {
			t.Fatalf("a panel lacks its id, its title or its place, or a second one has its id: %v %v %v", id, title, at)
		}
		ids[*id] = true
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if on := taken[[2]uint32{x, y}]; on != "" || x >= 24 {
					t.Fatalf("%s lies on %q at %d, %d", *title, on, x, y)
				}
				taken[[2]uint32{x, y}] = *title
			}
		}
	}
	for i := range d.rows {
		place(&d.rows[i].Id, d.rows[i].Title, d.rows[i].GridPos)
	}
	for i := range d.panels {
		p := &d.panels[i]
		place(p.Id, p.Title, p.GridPos)
		if len(p.queries) == 0 || p.Description == nil || *p.Description == "" || p.FieldConfig == nil || p.FieldConfig.Defaults.Unit == nil {
			t.Errorf("%s has no query, no description or no unit", *p.Title)
		}
		for _, query := range p.queries {
			check(t, *p.Title, query.Expr, metrics)
		}
	}
	if len(d.rows) < 5 || len(d.panels) < 30 {
		t.Errorf("the dashboard has %d rows and %d panels: this test does not see what it should", len(d.rows), len(d.panels))
	}
	for _, v := range d.Templating.List {
		if v.Query == nil || v.Query.Map == nil {
			continue
		}
		asked, _ := v.Query.Map["query"].(string)
		selector := strings.TrimSuffix(strings.TrimPrefix(asked, "label_values("), ")")
		check(t, v.Name, selector[:strings.LastIndex(selector, ",")], metrics)
	}
}

// What Grafana does not have is found, wherever it stands: else the test above says nothing.
func TestWhatGrafanaDoesNotHaveIsFound(t *testing.T) {
	if _, err := decode(text(t)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ right, other, named string }{
		{`"type": "timeseries"`, `"type": "timeseriess"`, "timeseriess"},
		{`"unit": "short"`, `"unit": "bogus"`, "bogus"},
		{`"schemaVersion": 39`, `"schemaVersion": 1`, "schemaVersion is 1"},
		{`"placement": "bottom"`, `"placement": "bottom", "nonsense": 1`, "nonsense"},
		{`"textMode": "value_and_name"`, `"textMode": "value_and_nonsense"`, "value_and_nonsense"},
		{`"colorMode": "value"`, `"colourMode": "value"`, "colourMode"},
		{`"displayMode": "list"`, `"displayMode": "lists"`, "lists"},
		{`"mode": "absolute"`, `"mode": "absolutely"`, "absolutely"},
		{`"overrides": []`, `"override": []`, "'override'"},
		{`"instant": true`, `"instantly": true`, "instantly"},
		{`"legendFormat": "ready"`, `"legends": "ready"`, "legends"},
		{`"graphTooltip": 1`, `"graphTooltips": 1`, "graphTooltips"},
		{`"includeAll": true`, `"includeEverything": true`, "includeEverything"},
		{`"iconColor": "red"`, `"colorOfIcon": "red"`, "colorOfIcon"},
	} {
		there := text(t)
		broken := bytes.Replace(there, []byte(c.right), []byte(c.other), 1)
		if bytes.Equal(broken, there) {
			t.Errorf("the dashboard has no %s", c.right)
		}
		if _, err := decode(broken); err == nil || !strings.Contains(err.Error(), c.named) {
			t.Errorf("%s: %v", c.other, err)
		}
	}
}
