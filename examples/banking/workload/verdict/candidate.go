package verdict

import (
	"encoding/json"
	"fmt"
	"math/big"
)

// readCandidate reads a candidate by encoding/json. It knows the refusals that the workload
// makes: values that are no JSON, and fields that are missing or null.
func readCandidate(value []byte) *candidate {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return &candidate{refused: true}
	}
	for _, name := range []string{"xid", "agent", "cohort", "readset", "readvers", "snapshot", "writeset", "publishedAt"} {
		if raw, ok := fields[name]; !ok || string(raw) == "null" {
			return &candidate{refused: true}
		}
	}
	var items []map[string]json.RawMessage
	if raw, ok := fields["statemap"]; ok {
		if err := json.Unmarshal(raw, &items); err != nil {
			return &candidate{bad: err}
		}
	}
	c := &candidate{}
	for _, item := range items {
		if len(item) != 1 {
			return &candidate{bad: fmt.Errorf("an item with %d keys", len(item))}
		}
		for action, payload := range item {
			m, err := readMovement(action, payload)
			if err != nil {
				return &candidate{bad: err}
			}
			c.movements = append(c.movements, m)
		}
	}
	return c
}

// movement is money that moves; an account is empty where it comes from or goes to outside.
type movement struct {
	from, to string
	amount   *big.Rat
}

func readMovement(action string, payload json.RawMessage) (m movement, err error) {
	var body struct {
		From, To, Account string
		Amount            json.RawMessage
	}
	if err := json.Unmarshal(payload, &body); err != nil {
		return m, err
	}
	text := string(body.Amount)
	if len(text) > 1 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	amount, ok := new(big.Rat).SetString(text)
	if !ok {
		return m, fmt.Errorf("amount %s is no number", body.Amount)
	}
	m = movement{amount: amount}
	switch action {
	case "TRANSFER":
		m.from, m.to = body.From, body.To
	case "DEPOSIT":
		m.to = body.Account
	case "WITHDRAW":
		m.from = body.Account
	default:
		return m, fmt.Errorf("unknown action %q", action)
	}
	if m.from == "" && m.to == "" {
		return m, fmt.Errorf("%s without an account", action)
	}
	return m, nil
}
