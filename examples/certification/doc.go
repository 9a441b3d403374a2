// Package certification makes what is on a certification topic of an example: candidates of a cohort and the
// decisions of a certifier that is faithful to the real one, with its delays, its shuffled,
// repeated and duplicate decisions, its aborts, and the records that it refuses.
//
// What the candidates ask for is an example's own, its Source. A Generator is pure: the same source and
// Options give the same messages. Produce sends them to a topic. What a host made of them is judged from
// the log and the database alone, beginning with package transcript.
package certification
