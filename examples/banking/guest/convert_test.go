package main

import (
	"testing"

	"github.com/ichor-replicator/ichor/guests/go/guesttest"
)

type items = []guesttest.Item

func of(action, payload string) guesttest.Item {
	return guesttest.Item{Action: action, Payload: payload}
}

func TestConvert(t *testing.T) {
	tests := []struct {
		name  string
		items items
		want  string
	}{
		{"transfer", items{of("TRANSFER", `{"amount":25.5,"from":"0017","to":"0042"}`)}, `ok transfer("0017", "0042", "25.5", "42")`},
		{"amount as text", items{of("TRANSFER", `{"from":"a","to":"b","amount":"1.00000"}`)}, `ok transfer("a", "b", "1.00000", "42")`},
		{"amount beyond a double", items{of("TRANSFER", `{"from":"a","to":"b","amount":1e400}`)}, `ok transfer("a", "b", "1e400", "42")`},
		{"every digit", items{of("DEPOSIT", `{"account":"a","amount":12345678901234567890.123456789}`)}, `ok deposit("a", "12345678901234567890.123456789", "42")`},
		{"deposit to", items{of("DEPOSIT", `{"to":"a","amount":1}`)}, `ok deposit("a", "1", "42")`},
		{"withdraw", items{of("WITHDRAW", `{"account":"0042","amount":3}`)}, `ok withdraw("0042", "3", "42")`},
		{"withdraw from", items{of("WITHDRAW", `{"from":"0042","amount":-3}`)}, `ok withdraw("0042", "-3", "42")`},
		{"to oneself", items{of("TRANSFER", `{"from":"a","to":"a","amount":1}`)}, `ok transfer("a", "a", "1", "42")`},
		{"escapes", items{of("TRANSFER", `{"from":"\u0061","t\u006f":"b","amount":1}`)}, `ok transfer("a", "b", "1", "42")`},
		{"quotes", items{of("DEPOSIT", `{"to":"'; commit; --","amount":1}`)}, `ok deposit("'; commit; --", "1", "42")`},
		{"more fields", items{of("DEPOSIT", `{"to":"a","amount":1,"note":{"amount":9}}`)}, `ok deposit("a", "1", "42")`},

		{"two items, one account", items{of("TRANSFER", `{"from":"a","to":"b","amount":1.0}`), of("DEPOSIT", `{"to":"a","amount":5}`)}, `ok several("{\"a\",\"b\",\"a\"}", "{-1.0,1.0,5}", "42")`},
		{"signs", items{of("WITHDRAW", `{"from":"a","amount":-2}`), of("WITHDRAW", `{"from":"b","amount":2}`)}, `ok several("{\"a\",\"b\"}", "{2,-2}", "42")`},
		{"quotes in a list", items{of("DEPOSIT", `{"to":"a\"\\,{}","amount":1}`), of("DEPOSIT", `{"to":"NULL","amount":2}`)}, `ok several("{\"a\\\"\\\\,{}\",\"NULL\"}", "{1,2}", "42")`},

		{"no object", items{of("TRANSFER", `[1]`)}, `reject 2 item 0, TRANSFER: the payload is not an object`},
		{"null", items{of("DEPOSIT", `null`)}, `reject 2 item 0, DEPOSIT: the payload is not an object`},
		{"no from", items{of("TRANSFER", `{"to":"b","amount":1}`)}, `reject 1 item 0, TRANSFER: from is missing`},
		{"no to", items{of("TRANSFER", `{"from":"b","amount":1}`)}, `reject 1 item 0, TRANSFER: to is missing`},
		{"no account", items{of("DEPOSIT", `{"from":"b","amount":1}`)}, `reject 1 item 0, DEPOSIT: account is missing`},
		{"no amount", items{of("WITHDRAW", `{"from":"b"}`)}, `reject 1 item 0, WITHDRAW: amount is missing`},
		{"account is a number", items{of("DEPOSIT", `{"to":17,"amount":1}`)}, `reject 2 item 0, DEPOSIT: to is not a string`},
		{"account is empty", items{of("DEPOSIT", `{"to":"","amount":1}`)}, `reject 3 item 0, DEPOSIT: to is empty`},
		{"amount is null", items{of("DEPOSIT", `{"to":"a","amount":null}`)}, `reject 2 item 0, DEPOSIT: amount is neither a number nor a string`},
		{"amount is a word", items{of("DEPOSIT", `{"to":"a","amount":"NaN"}`)}, `reject 3 item 0, DEPOSIT: amount is not a decimal number`},
		{"amount is sql", items{of("DEPOSIT", `{"to":"a","amount":"1}'); commit"}`)}, `reject 3 item 0, DEPOSIT: amount is not a decimal number`},
		{"unknown action", items{of("AUDIT", `{}`)}, `reject 4 item 0: unknown action "AUDIT"`},
		{"second item is bad", items{of("DEPOSIT", `{"to":"a","amount":1}`), of("DEPOSIT", `{"to":"a"}`)}, `reject 1 item 1, DEPOSIT: amount is missing`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := guesttest.Convert(t, program, test.items)[0]; got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
