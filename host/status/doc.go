// Package status is what a host says of itself: whether it makes progress and why not, in one list of
// reasons, and every type that becomes JSON. It knows the core's Status and nothing of the parts that
// do the work; they tell it.
package status
