package conform

import (
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// payloads are what a topic may hold and nobody had in mind.
func payloads() []string {
	return []string{
		`null`, `true`, `0`, `-0`, `1e400`, `-12345678901234567890.123456789`, `""`, `"text"`, `"\u0000"`, `"\ud83d\ude00 é \" \\ \n"`, `"'; commit; --"`,
		`[]`, `[[]]`, `{}`, `[1,"2",null,{"a":[true]}]`, `{"":""}`, `{"a":{"a":{"a":1}}}`, `{"a":1,"a":2}`,
		strings.Repeat("[", 100) + strings.Repeat("]", 100), `"` + strings.Repeat("x", 10_000) + `"`, `[` + strings.Repeat("1,", 3000) + `1]`,
		`{"amount":1.5,"from":"a","to":"b","account":"c","name":"d","id":7,"value":null,"items":[1,2],"note":"\t"}`,
	}
}

// corpus makes versions for a guest: its own examples, then each of its actions with every
// payload, then several items in a version.
func corpus(m *abi.Manifest) []guest.Record {
	var records []guest.Record
	add := func(items ...talos.Item) {
		n := len(records)
		records = append(records, guest.Record{
			Version: talos.Version(1000 + 3*n), Safepoint: talos.Version(990 + 3*n - n%5), Time: 1759118825121907755 + int64(n%7)*1e9,
			XID: fmt.Sprintf("5a0c2f6e-7c1b-4e2b-9a53-%012d", n), Cohort: []string{"cohort", "other"}[n%2], Agent: fmt.Sprintf("agent-%d", n%3), Items: items,
		})
	}
	var examples []talos.Item
	for i := range m.Vectors {
		for j := range m.Vectors[i].Input {
			items := make([]talos.Item, 0, 1)
			for _, element := range m.Vectors[i].Input[j].Statemap {
				for action, payload := range element { // exactly one
					items = append(items, talos.Item{Action: action, Payload: payload})
				}
			}
			examples = append(examples, items...)
			add(items...)
		}
	}
	for _, action := range m.Actions[:min(len(m.Actions), 32)] {
		for _, payload := range payloads() {
			add(talos.Item{Action: action.Name, Payload: []byte(payload)})
		}
	}
	for i := range examples {
		add(examples[i], examples[(i+1)%len(examples)], examples[i])
	}
	for i, action := range m.Actions[:min(len(m.Actions), 32)] {
		var items []talos.Item
		for j := range 5 {
			items = append(items, talos.Item{Action: action.Name, Payload: []byte(payloads()[(i*5+j)%len(payloads())])})
		}
		add(items...)
	}
	for i := range examples { // the same once more, far from the first
		add(examples[len(examples)-1-i])
	}
	return records
}

// text writes a version's statemap, for a message.
func text(r *guest.Record) string {
	items := make([]string, len(r.Items))
	for i, item := range r.Items {
		items[i] = fmt.Sprintf("{%q: %s}", item.Action, item.Payload)
	}
	all := strings.Join(items, ", ")
	if len(all) > 200 {
		all = all[:200] + "…"
	}
	return "[" + all + "]"
}

// say writes what a version became, for a message.
func say(c *guest.Conversion) string {
	all := c.Status.String()
	if c.Reject != nil {
		all += " " + c.Reject.Error()
	}
	for _, s := range c.Statements {
		all += fmt.Sprintf(" %d%q", s.Template, s.Args)
	}
	if len(all) > 300 {
		all = all[:300] + "…"
	}
	return all
}
