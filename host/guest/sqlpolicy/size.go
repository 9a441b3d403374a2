package sqlpolicy

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The most that a template may make of constants: the bytes of one value and of all together, and
// the rows of a series. The server computes constants whenever it plans the statement, in each lane,
// and no setting of it bounds how large a value becomes below a gigabyte.
const (
	mostMade   = 1 << 20
	mostInAll  = 4 << 20
	mostSeries = 1_000_000
)

// grows refuses a call that makes something very large of constants. What is made of columns and
// parameters is bounded by these, and by statement_timeout.
func (c *checker) grows(n node) {
	name := builtIn(n)
	args, _ := n["args"].([]any)
	switch {
	case name == "generate_series":
		if rows, known := new(sizer).series(args); known && rows > mostSeries {
			c.find(c.at, "give the bounds as parameters, or add generate_series to guests.sql.functions", "a series of more than %d rows", mostSeries)
		}
	case large[name]:
		c.makes(name, new(sizer).call(n), "take the value from the statemap, or add "+name+" to guests.sql.functions")
	}
}

// pads refuses a cast to a very long type that is filled up with blanks or zeros.
func (c *checker) pads(cast node) {
	if bytes := new(sizer).padded(cast); bytes > 0 {
		c.makes("a type of that length", bytes, "cast to a shorter one")
	}
}

func (c *checker) makes(what string, bytes float64, hint string) {
	if math.IsNaN(bytes) { // of no end of bytes, no times
		bytes = math.Inf(1)
	}
	c.made += bytes
	switch {
	case bytes > mostMade:
		c.find(c.at, hint, "%s makes more than %d bytes of constants", what, mostMade)
	case c.made > mostInAll:
		c.find(c.at, "say it in several templates", "%s and what stands before it make more than %d bytes of constants", what, mostInAll)
	}
}

// builtIn returns the name of a function of PostgreSQL's own that a node calls, "" of another's.
func builtIn(n node) string {
	name := strings.TrimPrefix(strings.Join(names(n["funcname"]), "."), "pg_catalog.")
	if strings.Contains(name, ".") {
		return ""
	}
	return name
}

// sizer estimates what constants become, and gives up on expressions that would take it long.
type sizer struct{ visited int }

const mostVisited = 100_000

// size estimates how many bytes the constants in an expression become, rather too many. Columns,
// parameters and queries count nothing.
func (s *sizer) size(v any) float64 {
	if s.visited++; s.visited > mostVisited {
		return math.Inf(1)
	}
	sum := 0.0
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			sum += s.size(item)
		}
	case node:
		for kind, body := range v { // whole numbers: their sum is the same in any order
			n, _ := body.(node)
			switch kind {
			case "A_Const":
				sum += float64(len(constantText(n)))
			case "ColumnRef", "ParamRef", "SubLink":
			case "FuncCall":
				sum += s.call(n)
			case "TypeCast":
				sum += s.size(n["arg"]) + s.padded(n)
			default:
				sum += s.size(body)
			}
		}
	}
	return sum
}

// padded returns how many bytes a type with a length makes of any value, as character(9) does.
func (s *sizer) padded(cast node) float64 {
	typeName, _ := cast["typeName"].(node)
	if name, _ := lastName(typeName); name != "bpchar" && name != "bit" {
		return 0
	}
	return s.times(typeName["typmods"])
}

// call estimates how many bytes a function makes of constants.
func (s *sizer) call(n node) float64 {
	args, _ := n["args"].([]any)
	name := builtIn(n)
	switch {
	case len(args) > 1 && name == "repeat":
		return max(1, s.size(args[0])) * s.times(args[1])
	case len(args) > 1 && (name == "lpad" || name == "rpad" || name == "bpchar"):
		return s.size(args[0]) + s.times(args[1])
	case len(args) > 1 && name == "array_fill":
		return max(8, s.size(args[0])) * s.product(args[1])
	}
	sum, most := 0.0, 1.0
	for _, arg := range args {
		bytes := s.size(arg)
		sum, most = sum+bytes, max(most, bytes)
	}
	switch name {
	case "replace", "regexp_replace", "array_to_string", "concat_ws": // one as often as another is long
		return sum * most
	case "format":
		return sum + s.widths(args)
	}
	return sum
}

// isConstant reports whether an expression has neither columns, parameters nor queries.
func isConstant(v any) bool {
	switch v := v.(type) {
	case node:
		for kind, inner := range v { // whether it has is the same in any order
			if kind == "ColumnRef" || kind == "ParamRef" || kind == "SubLink" || !isConstant(inner) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(inner any) bool { return !isConstant(inner) })
	}
	return true
}

// times returns a count that is constant, or 0.
func (s *sizer) times(v any) float64 {
	if !isConstant(v) {
		return 0
	}
	return s.magnitude(v)
}

// digits are a number in a text.
var digits = regexp.MustCompile(`[0-9]+`)

// product multiplies the bounds of an array: the items of ARRAY[…], or the numbers of a text.
func (s *sizer) product(v any) float64 {
	result := 1.0
	wrapped := anyNode(v)
	if cast, found := wrapped["TypeCast"].(node); found {
		return s.product(cast["arg"])
	}
	if text, found := wrapped["A_Const"].(node); found {
		for _, number := range digits.FindAllString(constantText(text), -1) {
			result *= absolute(number)
		}
	}
	elements, _ := anyNode(wrapped["A_ArrayExpr"])["elements"].([]any)
	for _, e := range elements {
		if isConstant(e) {
			result *= s.magnitude(e)
		}
	}
	return result
}

// widths adds the widths to which FORMAT pads.
func (s *sizer) widths(args []any) (sum float64) {
	if len(args) == 0 {
		return 0
	}
	pattern := constantText(anyNode(anyNode(args[0])["A_Const"]))
	for _, number := range digits.FindAllString(pattern, -1) {
		sum += absolute(number)
	}
	if !strings.Contains(pattern, "*") {
		return sum
	}
	for _, arg := range args[1:] {
		if count := s.times(arg); !math.IsInf(count, 1) { // else it is a text
			sum += count
		}
	}
	return sum
}

// absolute returns the absolute value of a number; of another text it is infinite.
func absolute(text string) float64 {
	f, err := strconv.ParseFloat(strings.Trim(text, "' "), 64)
	if err != nil {
		return math.Inf(1)
	}
	return math.Abs(f)
}

// magnitude estimates the greatest absolute value of a constant expression. That of one which is
// not known here is infinite.
func (s *sizer) magnitude(v any) float64 {
	if s.visited++; s.visited > mostVisited {
		return math.Inf(1)
	}
	if list, isList := v.([]any); isList {
		most := 0.0
		for _, item := range list {
			most = max(most, s.magnitude(item))
		}
		return most
	}
	for kind, body := range anyNode(v) { // one field
		n, _ := body.(node)
		switch kind {
		case "A_Const":
			if text := constantText(n); text != "null" {
				return absolute(text)
			}
			return 0
		case "TypeCast":
			return s.magnitude(n["arg"])
		case "A_Expr":
			return s.magnitudeOf(n)
		case "CoalesceExpr", "MinMaxExpr":
			return s.magnitude(n["args"])
		case "CaseExpr":
			return s.magnitude([]any{n["args"], n["defresult"]})
		case "CaseWhen":
			return s.magnitude(n["result"])
		case "FuncCall":
			return s.magnitudeOfCall(n)
		}
	}
	if v == nil {
		return 0
	}
	return math.Inf(1)
}

func (s *sizer) magnitudeOf(operation node) float64 {
	l, r := s.magnitude(operation["lexpr"]), s.magnitude(operation["rexpr"])
	switch strings.Join(names(operation["name"]), ".") {
	case "+", "-":
		return l + r
	case "*":
		return l * r
	case "/", "%", ">>":
		return l
	case "^":
		return math.Pow(l, r)
	case "<<":
		return l * math.Pow(2, r)
	}
	return math.Inf(1)
}

func (s *sizer) magnitudeOfCall(n node) float64 {
	switch builtIn(n) {
	case "length", "char_length", "character_length", "octet_length", "bit_length", "cardinality", "array_length":
		return 8 * s.size(n["args"])
	case "abs", "ceil", "ceiling", "floor", "round", "trunc", "sign", "mod", "div":
		return s.magnitude(n["args"])
	}
	return math.Inf(1)
}

// series returns how many rows a series of whole numbers has that are constants.
func (s *sizer) series(args []any) (rows float64, known bool) {
	values := [3]float64{0, 0, 1}
	for i := range min(len(args), 3) {
		if !isConstant(args[i]) {
			return 0, false
		}
		if values[i] = s.magnitude(args[i]); negative(args[i]) {
			values[i] = -values[i]
		}
		if math.IsInf(values[i], 0) {
			return 0, false // times
		}
	}
	return math.Abs(values[1]-values[0]) / math.Abs(values[2]), values[2] != 0
}

// negative reports whether a number is written with a sign.
func negative(v any) bool {
	wrapped := anyNode(v)
	if cast, found := wrapped["TypeCast"].(node); found {
		return negative(cast["arg"])
	}
	e := anyNode(wrapped["A_Expr"])
	constant, _ := wrapped["A_Const"].(node)
	return constant != nil && strings.HasPrefix(strings.Trim(constantText(constant), "'"), "-") ||
		e["rexpr"] != nil && e["lexpr"] == nil && strings.Join(names(e["name"]), ".") == "-"
}
