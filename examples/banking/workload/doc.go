// Package workload makes the traffic of the banking example: candidates of a cohort and the
// decisions of a certifier that is faithful to the real one, with its delays, its shuffled,
// repeated and duplicate decisions, its aborts, and the records that it refuses.
//
// A Generator is pure: the same Options give the same messages. Produce sends them to a topic.
// What a host made of them is judged by package verdict, from the log and the database alone.
package workload
