package suffix

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

// entry returns a candidate of a size whose payload is held.
func entry(v talos.Version, size int32) *Entry {
	return &Entry{Version: v, Size: size, Candidate: &talos.Candidate{Version: v}}
}

func decide(s *Suffix, e *Entry) { s.Decide(e, Decision{Outcome: talos.Aborted}) }

func TestTheFirstCopyOfACandidateWins(t *testing.T) {
	var s Suffix
	first := entry(5, 10)
	if !s.Insert(first) || !s.Insert(entry(9, 1)) {
		t.Fatal("candidates in order are refused")
	}
	for _, v := range []talos.Version{9, 7, 5, 1} {
		if s.Insert(entry(v, 100)) {
			t.Errorf("version %v was taken after 9", v)
		}
	}
	if s.Len() != 2 || s.Held() != 11 || s.Find(5) != first || s.Find(7) != nil || s.Find(10) != nil {
		t.Errorf("%d candidates with %d bytes", s.Len(), s.Held())
	}
}

func TestForwardGoesNoFurtherThanTheFirstWithoutADecision(t *testing.T) {
	var s Suffix
	if s.Head() != nil || s.Forward() != nil {
		t.Error("an empty suffix has a head")
	}
	for v := range talos.Version(4) {
		s.Insert(entry(v, 1))
	}
	decide(&s, s.Find(1))
	decide(&s, s.Find(2))
	if e := s.Forward(); e != nil {
		t.Errorf("%v was forwarded before 0", e.Version)
	}
	decide(&s, s.Find(0))
	for want := range talos.Version(3) {
		if e := s.Forward(); e == nil || e.Version != want {
			t.Fatalf("forwarded %+v, want %v", e, want)
		}
	}
	if e := s.Forward(); e != nil || s.Head().Version != 3 || s.Held() != 1 {
		t.Errorf("forwarded %+v, %d bytes are held", e, s.Held())
	}
}

func TestAPayloadIsLetGoOnce(t *testing.T) {
	var s Suffix
	e, other := entry(1, 10), entry(2, 5)
	s.Insert(e)
	s.Insert(other)
	s.Insert(&Entry{Version: 3, Size: 7}) // without a payload from the beginning
	for range 2 {
		s.LetGo(e)
		if e.Candidate != nil || e.Size != 10 || s.Held() != 5 {
			t.Errorf("payload %v, size %d, %d bytes are held", e.Candidate, e.Size, s.Held())
		}
	}
	for range 3 {
		decide(&s, s.Head())
		s.Forward()
	}
	if s.Held() != 0 || s.Len() != 0 {
		t.Errorf("%d bytes are held by %d candidates", s.Held(), s.Len())
	}
}

// TestSuffixBehavesLikeASlice compares it with one, over seeded steps.
func TestSuffixBehavesLikeASlice(t *testing.T) {
	for seed := range uint64(200) {
		if err := compare(rand.New(rand.NewPCG(seed, 0))); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func compare(r *rand.Rand) error {
	var s Suffix
	var model []*Entry
	for range 300 {
		v := talos.Version(r.IntN(400))
		switch r.IntN(4) {
		case 0, 1:
			e := entry(v, int32(r.IntN(100)))
			above := len(model) == 0 || v > model[len(model)-1].Version
			if s.Insert(e) != above {
				return fmt.Errorf("inserted %v: %v", v, !above)
			}
			if above {
				model = append(model, e)
			}
		case 2:
			if len(model) > 0 {
				e := model[r.IntN(len(model))]
				if r.IntN(2) == 0 {
					decide(&s, e)
				} else {
					s.LetGo(e)
				}
			}
		case 3:
			got := s.Forward()
			if len(model) > 0 && model[0].Decision.Outcome != talos.Undecided {
				if got != model[0] {
					return fmt.Errorf("forwarded %+v, want %+v", got, model[0])
				}
				model = model[1:]
			} else if got != nil {
				return fmt.Errorf("forwarded %+v", got)
			}
		}
		if err := same(&s, model, v); err != nil {
			return err
		}
	}
	return nil
}

// same compares what the suffix says with the slice.
func same(s *Suffix, model []*Entry, v talos.Version) error {
	held := 0
	for _, e := range model {
		if e.Candidate != nil {
			held += int(e.Size)
		}
	}
	var head, found *Entry
	if len(model) > 0 {
		head = model[0]
	}
	if i := slices.IndexFunc(model, func(e *Entry) bool { return e.Version == v }); i >= 0 {
		found = model[i]
	}
	if s.Len() != len(model) || s.Held() != held || s.Head() != head || s.Find(v) != found {
		return fmt.Errorf("%d candidates with %d bytes, want %d with %d; head %+v, want %+v; %v is %+v, want %+v",
			s.Len(), s.Held(), len(model), held, s.Head(), head, v, s.Find(v), found)
	}
	return nil
}
