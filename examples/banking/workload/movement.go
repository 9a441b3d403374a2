package workload

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// movement writes one item of a statemap. Amounts are in hundred-thousandths, so that they
// are exact, and are written as plain JSON numbers without the zeros at the end.
func movement(action string, accounts map[string]string, amount int64) string {
	body := struct {
		Amount  json.RawMessage `json:"amount"`
		From    string          `json:"from,omitempty"`
		To      string          `json:"to,omitempty"`
		Account string          `json:"account,omitempty"`
	}{decimal(amount), accounts["from"], accounts["to"], accounts["account"]}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // none of these can fail to be encoded
	}
	return `{"` + action + `":` + string(text) + `}`
}

// decimal writes hundred-thousandths as a JSON number.
func decimal(amount int64) json.RawMessage {
	if amount%unit == 0 {
		return strconv.AppendInt(nil, amount/unit, 10)
	}
	text := fmt.Appendf(nil, "%d.%05d", amount/unit, amount%unit)
	for text[len(text)-1] == '0' {
		text = text[:len(text)-1]
	}
	return text
}

const unit = 100_000
