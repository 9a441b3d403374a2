package sqlpolicy

import (
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/abi"
)

func TestRemarks(t *testing.T) {
	for _, test := range []struct {
		sql, guard string
		params     []string
		want       []string // what each remark begins with
	}{
		{"update t set n = n + 1 where id = $1::text", "", []string{"text"}, []string{"n depends on what it was"}},
		{"update t set n = t.n + 1, version = $2::bigint where id = $1::text", "version", []string{"text", "bigint"}, []string{"its guard, column version, is in no condition"}},
		{"update t set version = version + $2::bigint where id = $1::text", "version", []string{"text", "bigint"}, []string{"its guard, column version, is in no condition"}},
		{"insert into t (id, n, version) values ($1::text, 1, $2::bigint) on conflict (id) do update set n = t.n + 1, version = excluded.version", "version", []string{"text", "bigint"}, []string{"its guard, column version, is in no condition"}},
		{"update t set n = n + 1, version = $2::bigint where id = $1::text and version < $2::bigint", "version", []string{"text", "bigint"}, nil},
		{"update t set n = n + 1, version = $2::bigint where id = $1::text and version < $2::bigint", "", []string{"text", "bigint"}, nil},
		{"update t set n = n - $2::bigint where id = $1::text and n >= $2::bigint", "", []string{"text", "bigint"}, []string{"n depends"}},
		{"update t set n = n + 1 where id = $1::text and $2::bigint > 0 and name < 'x'", "", []string{"text", "bigint"}, []string{"n depends"}},
		{"update t set n = n + 1, version = $2::bigint where id = $1::text and n > 0", "", []string{"text", "bigint"}, []string{"n depends"}},
		{"update t set n = $2::bigint where id = $1::text", "", []string{"text", "bigint"}, nil},
		{"update t set tags = array_append(tags, $1::text), n = case when a then n else 0 end where id = $1::text", "", []string{"text"}, []string{"tags depends", "n depends"}},
		{"insert into t (id, n) values ($1::text, 1) on conflict (id) do update set n = t.n + 1", "", []string{"text"}, []string{"n depends"}},
		{"insert into t (id, n) values ($1::text, 1) on conflict (id) do update set n = excluded.n", "", []string{"text"}, nil},
		{"insert into t (id, n, version) values ($1::text, 1, $2::bigint) on conflict (id) do update set n = t.n + 1, version = excluded.version where t.version < excluded.version", "version", []string{"text", "bigint"}, nil},
		{"insert into t (id) values ($1::text) on conflict do nothing", "", []string{"text"}, nil},
		{"insert into t (id) values ($1::text)", "", []string{"text"}, []string{"an INSERT without ON CONFLICT"}},
		{"merge into t using (select $1::text as id) s on t.id = s.id when matched then update set n = t.n + 1", "", []string{"text"}, []string{"n depends"}},
		{"merge into t using (select $1::text as id, $2::bigint as v) s on t.id = s.id when matched and t.version < s.v then update set n = t.n + 1", "version", []string{"text", "bigint"}, nil},
		{"with c as (update t set n = n - 1 where id = $1::text returning id) update u set m = $2::bigint where id in (select id from c)", "", []string{"text", "bigint"}, []string{"n depends"}},
		{"update t set a = $2 where id = $1::text", "", []string{"text", "numeric"}, []string{"$2 has no cast: write $2::numeric,"}},
		{"update t set a = $1, b = $1::text where id = cast($2 as bigint)", "", []string{"text", "bigint"}, nil},
		{"delete from t where id = any($1)", "", []string{"text[]"}, []string{"$1 has no cast: write $1::text[],"}},
		{"update t set a = $2::bigint where id = $1::text", "", []string{"text", "text"}, []string{"$2 is a text by params and a bigint by its cast: write bigint into params,"}},
		{"update t set a = $2::timestamptz, b = $2::timestamptz where id = any($1::text[])", "", []string{"text", "varchar"}, []string{"$1 is a text by params and a text[] by its cast", "$2 is a varchar by params and a timestamptz by its cast"}},
		{"update t set a = $2::bigint, b = $2::text where id = $1::varchar", "", []string{"text", "text"}, nil},
		{"update t set a = $2::inet where id = $1::numeric", "", []string{"bigint", "text"}, nil},
		{"no sql", "", nil, nil},
	} {
		got := Remarks(&abi.Template{SQL: test.sql, Guard: test.guard, Params: test.params})
		ok := len(got) == len(test.want)
		for i := range min(len(got), len(test.want)) {
			ok = ok && strings.HasPrefix(got[i], test.want[i])
		}
		if !ok {
			t.Errorf("%s\ngot  %q\nwant %q", test.sql, got, test.want)
		}
	}
}
