package verdict

import (
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/ichor-replicator/ichor/examples/certification/transcript"
)

// movement is money that moves; an account is empty where it comes from or goes to outside.
type movement struct {
	from, to string
	amount   *big.Rat
}

func readMovement(is transcript.Item) (m movement, err error) {
	var body struct {
		From, To, Account string
		Amount            json.RawMessage
	}
	if err := json.Unmarshal(is.Payload, &body); err != nil {
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
	switch is.Action {
	case "TRANSFER":
		m.from, m.to = body.From, body.To
	case "DEPOSIT":
		m.to = body.Account
	case "WITHDRAW":
		m.from = body.Account
	default:
		return m, fmt.Errorf("unknown action %q", is.Action)
	}
	if m.from == "" && m.to == "" {
		return m, fmt.Errorf("%s without an account", is.Action)
	}
	return m, nil
}
