package sim

// Shrink looks for a smaller play that fails too: with fewer candidates, fewer kinds of faults and fewer
// turns. The violation may be another one.
func Shrink(p Play) (smallest Play, violation string) {
	return shrink(p, func(p Play) string {
		p.Trace = nil
		return p.Run().Violation
	})
}

func shrink(p Play, fails func(Play) string) (smallest Play, violation string) {
	violation = fails(p)
	if violation == "" {
		return p, ""
	}
	s := newSetup(p.Seed)
	for f := range faults {
		if s.faults[f] > 0 {
			try := p
			try.Without = append(try.Without[:len(try.Without):len(try.Without)], faultNames[f])
			if v := fails(try); v != "" {
				p, violation = try, v
			}
		}
	}
	for _, of := range []struct{ at, from *int }{{&p.Candidates, &s.candidates}, {&p.Turns, &s.turns}} {
		if *of.at == 0 {
			*of.at = *of.from
		}
		for step := *of.at / 2; step > 0; {
			*of.at -= step
			v := ""
			if *of.at > 0 {
				v = fails(p)
			}
			if v != "" {
				violation = v
				step = min(step, *of.at/2)
				continue
			}
			*of.at += step
			step /= 2
		}
	}
	return p, violation
}
