package installer

// parameterTypes are the numbers of the types that parameters may have, the same in every
// PostgreSQL. A lane says them when it prepares a template, as they are said when it is judged:
// what PostgreSQL would make of $1 by itself may be another function.
var parameterTypes = map[string]uint32{
	"boolean": 16, "bytea": 17, "bigint": 20, "smallint": 21, "integer": 23, "text": 25, "json": 114, "real": 700,
	"double precision": 701, "text[]": 1009, "bigint[]": 1016, "varchar": 1043, "date": 1082, "time": 1083, "timestamp": 1114,
	"timestamptz": 1184, "interval": 1186, "numeric[]": 1231, "numeric": 1700, "uuid": 2950, "jsonb": 3802,
}

// numbersOf returns the types of a template's parameters, 0 for those whose name is not known:
// the server says what they are.
func numbersOf(params []string) []uint32 {
	all := make([]uint32, len(params))
	for i, name := range params {
		all[i] = parameterTypes[name]
	}
	return all
}
