package verdict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/examples/certification/transcript"
)

// item is an item of a statemap, read by other means than a guest's.
type item struct {
	Order, Customer, At string
	Total               json.RawMessage
	Tags                []string
	Details             json.RawMessage
	Remark              *string
	Lines, Returned     []struct {
		SKU      string
		Quantity int64
		Price    json.RawMessage
	}

	at    time.Time
	total *big.Rat
	price []*big.Rat // of each line
}

// understand says what is wrong with an item that the workload would not make.
func understand(is transcript.Item) error {
	_, err := readItem(is)
	return err
}

func readItem(is transcript.Item) (i item, err error) {
	if err := json.Unmarshal(is.Payload, &i); err != nil {
		return i, fmt.Errorf("%s: %w", is.Action, err)
	}
	switch is.Action {
	case "PLACE_ORDER", "CHANGE_ORDER":
		if i.total, err = decimal(i.Total); err != nil {
			return i, fmt.Errorf("%s: total: %w", is.Action, err)
		}
		for _, l := range i.Lines {
			price, err := decimal(l.Price)
			if err != nil {
				return i, fmt.Errorf("%s: price: %w", is.Action, err)
			}
			i.price = append(i.price, price)
		}
	case "PAY_ORDER", "SHIP_ORDER", "CANCEL_ORDER":
	default:
		return i, fmt.Errorf("unknown action %q", is.Action)
	}
	if is.Action != "CHANGE_ORDER" {
		if i.at, err = time.Parse(time.RFC3339Nano, i.At); err != nil {
			return i, fmt.Errorf("%s: %w", is.Action, err)
		}
	}
	if i.Order == "" {
		return i, fmt.Errorf("%s without an order", is.Action)
	}
	return i, nil
}

// decimal reads a number, or a string that is one, exactly.
func decimal(raw json.RawMessage) (*big.Rat, error) {
	text := strings.Trim(string(raw), `"`)
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, fmt.Errorf("%s is no number", strconv.Quote(text))
	}
	return exact, nil
}

// canonical writes JSON so that two texts of one meaning are one: members in order, the last of those with one
// name, numbers exactly.
func canonical(text []byte) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", err
	}
	var out strings.Builder
	err := write(&out, value)
	return out.String(), err
}

func write(out *strings.Builder, value any) error {
	switch v := value.(type) {
	case map[string]any:
		out.WriteByte('{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			fmt.Fprintf(out, "%q:", name)
			if err := write(out, v[name]); err != nil {
				return err
			}
			out.WriteByte(',')
		}
		out.WriteByte('}')
	case []any:
		out.WriteByte('[')
		for _, element := range v {
			if err := write(out, element); err != nil {
				return err
			}
			out.WriteByte(',')
		}
		out.WriteByte(']')
	case json.Number:
		exact, ok := new(big.Rat).SetString(v.String())
		if !ok {
			return fmt.Errorf("%s is no number", v)
		}
		out.WriteString(exact.RatString())
	case string:
		fmt.Fprintf(out, "%q", v)
	default:
		fmt.Fprint(out, v)
	}
	return nil
}
