package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
)

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		exit int
		says string
	}{
		{[]string{"--seeds", "30"}, program.ExitOK, "30 seeds,"},
		{[]string{"--seed", "7"}, program.ExitOK, "nothing is wrong"},
		{[]string{"--seed", "7", "--shrink"}, program.ExitOK, "does not fail"},
		{[]string{"--seed", "7", "--trace", "--candidates", "5", "--turns", "100", "--without", "drain;guest swap"}, program.ExitOK, "core cold lanes="},
		{[]string{"--help"}, program.ExitOK, "by seeds"},
		{[]string{"--sed", "7"}, program.ExitUsage, ""},
	} {
		var out, problems bytes.Buffer
		if exit := run(c.args, &out, &problems); exit != c.exit || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: exit %d\n%.500s\n%s", c.args, exit, out.String(), problems.String())
		}
	}
}
