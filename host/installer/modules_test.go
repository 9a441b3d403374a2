package installer_test

import "testing"

func TestPassesAreKeptByName(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	known := func(name string, want bool) {
		t.Helper()
		if got, err := in.Passed(t.Context(), name); err != nil || got != want {
			t.Errorf("%s was passed: %v, want %v, %v", name, got, want, err)
		}
	}
	known("a", false)
	for range 2 {
		if err := in.KeepPassed(t.Context(), "a", "banking", "d1"); err != nil {
			t.Fatal(err)
		}
	}
	known("a", true)
	known("b", false)
	b.want("select name, guest, digest from ichor.guest_check", "(a,banking,d1)")
	b.exec("drop table ichor.guest_check")
	if _, err := in.Passed(t.Context(), "a"); err == nil {
		t.Error("without the table it is answered")
	}
	if err := in.KeepPassed(t.Context(), "a", "banking", "d1"); err == nil {
		t.Error("without the table it is kept")
	}
}
