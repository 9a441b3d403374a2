package main

import (
	"testing"

	"github.com/ichor-replicator/ichor/guests/go/guesttest"
)

const (
	ann = "5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11"
	bo  = "00000000-0000-4000-8000-0000000000ab"
)

type items = []guesttest.Item

func of(action, payload string) guesttest.Item {
	return guesttest.Item{Action: action, Payload: payload}
}

// What is converted, and the commonest rejects, are the vectors of the manifest. This is the rest.
func TestConvert(t *testing.T) {
	const (
		paid = `{"order":"` + ann + `","at":"2026-03-29T02:30:00Z"`
		none = `{"order":"` + ann + `","total":1,"tags":[]`
	)
	tests := []struct {
		name  string
		items items
		want  string
	}{
		{"every kind of zone", items{of("SHIP_ORDER", `{"order":"`+ann+`","at":"2026-03-29T02:30:00.123456-11:45","remark":"\u00e9"}`)},
			`ok set_status("` + ann + `", "shipped", "2026-03-29T02:30:00.123456-11:45", "é", "42")`},
		{"tags with quotes", items{of("CHANGE_ORDER", none+`,"lines":[],"returned":[]}`), of("CHANGE_ORDER", `{"order":"`+bo+`","total":1,"tags":["a\"\\,{}","NULL"],"lines":[],"returned":[]}`)},
			`ok change_order("` + ann + `", "1", "{}", null, "42") set_lines("` + ann + `", "[]", "42") count_sold("[]") count_returned("[]") ` +
				`change_order("` + bo + `", "1", "{\"a\\\"\\\\,{}\",\"NULL\"}", null, "42") set_lines("` + bo + `", "[]", "42") count_sold("[]") count_returned("[]")`},
		{"more fields", items{of("PAY_ORDER", paid+`,"lines":7}`)}, `ok set_status("` + ann + `", "paid", "2026-03-29T02:30:00Z", null, "42")`},

		{"remark is a number", items{of("PAY_ORDER", paid+`,"remark":7}`)}, `reject 2 item 0, PAY_ORDER: remark is not a string`},
		{"no lines", items{of("CHANGE_ORDER", none+`}`)}, `reject 1 item 0, CHANGE_ORDER: lines is missing`},
		{"lines is an object", items{of("CHANGE_ORDER", none+`,"lines":{}}`)}, `reject 2 item 0, CHANGE_ORDER: lines is not a list`},
		{"a line is null", items{of("CHANGE_ORDER", none+`,"lines":[null]}`)}, `reject 2 item 0, CHANGE_ORDER: lines[0] is not an object`},
		{"an article is empty", items{of("CHANGE_ORDER", none+`,"lines":[{"sku":""}]}`)}, `reject 3 item 0, CHANGE_ORDER: lines[0].sku is empty`},
		{"no price", items{of("CHANGE_ORDER", none+`,"lines":[{"sku":"a","quantity":1}]}`)}, `reject 1 item 0, CHANGE_ORDER: lines[0].price is missing`},
		{"price is a word", items{of("CHANGE_ORDER", none+`,"lines":[{"sku":"a","quantity":1,"price":"x"}]}`)}, `reject 3 item 0, CHANGE_ORDER: lines[0].price is not a decimal number`},
		{"total is an object", items{of("CHANGE_ORDER", `{"order":"`+ann+`","total":{}}`)}, `reject 2 item 0, CHANGE_ORDER: total is neither a number nor a string`},
		{"nothing is taken back of nothing", items{of("CANCEL_ORDER", paid+`,"returned":[{"sku":"a","quantity":0}]}`)}, `reject 3 item 0, CANCEL_ORDER: returned[0].quantity is not a whole number from 1 to 1000000`},
		{"too many", items{of("CANCEL_ORDER", paid+`,"returned":[{"sku":"a","quantity":1000001}]}`)}, `reject 3 item 0, CANCEL_ORDER: returned[0].quantity is not a whole number from 1 to 1000000`},
		{"far too many", items{of("CANCEL_ORDER", paid+`,"returned":[{"sku":"a","quantity":18446744073709551617}]}`)}, `reject 3 item 0, CANCEL_ORDER: returned[0].quantity is not a whole number from 1 to 1000000`},
		{"a quantity as text", items{of("CANCEL_ORDER", paid+`,"returned":[{"sku":"a","quantity":"1"}]}`)}, `reject 3 item 0, CANCEL_ORDER: returned[0].quantity is not a whole number from 1 to 1000000`},
		{"the first fault counts", items{of("PAY_ORDER", `{"order":"`+ann+`","remark":7}`)}, `reject 1 item 0, PAY_ORDER: at is missing`},
		{"the second item", items{of("PAY_ORDER", paid+`}`), of("PAY_ORDER", `{"order":7}`)}, `reject 2 item 1, PAY_ORDER: order is not a string`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := guesttest.Convert(t, program, test.items)[0]; got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A time is taken only with its date, its seconds and its zone: the database would take what differs from day
// to day too.
func TestMoments(t *testing.T) {
	for text, ok := range map[string]bool{
		"2026-03-29T02:30:00Z": true, "2026-03-29T02:30:00+02:00": true, "0001-01-01T00:00:00.000001-00:30": true,
		"": false, "now": false, "today": false, "infinity": false, "2026-03-29": false, "2026-03-29T02:30Z": false, "2026-03-29T02:30:00": false, "2026-03-29T02:30:00.Z": false,
		"2026-03-29T02:30:00 Z": false, "2026-03-29T02:30:00+02": false, "2026-03-29T02:30:00+02:00:00": false, "2026-03-29T02:30:00Europe/Oslo": false, "26-03-29T02:30:00Z": false,
	} {
		got := guesttest.Convert(t, program, items{of("PAY_ORDER", `{"order":"`+ann+`","at":"`+text+`"}`)})[0]
		if taken := got[:2] == "ok"; taken != ok {
			t.Errorf("%q: %s", text, got)
		}
	}
}
