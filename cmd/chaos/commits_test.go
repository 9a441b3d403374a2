package main

import (
	"strings"
	"testing"
)

func TestCommitsOfOwnersThatAreOverAreFound(t *testing.T) {
	good := []commit{
		{"state", 1, 7, 0, 0}, {"lane 0", 1, 7, 0, 0}, {"state", 1, 7, 5, 6}, {"beat", 1, 7, 0, 0}, {"lane 1", 1, 7, 0, 0},
		{"state", 2, 9, 5, 6}, {"lane 0", 2, 9, 0, 0}, {"lane 1", 2, 9, 0, 0}, {"lane 0", 2, 9, 0, 0}, {"state", 2, 9, 8, 8}, {"beat", 2, 9, 0, 0},
	}
	if err := fenced(good); err != nil {
		t.Error(err)
	}
	for want, late := range map[string]commit{
		"epoch 1 commits to state after epoch 2 has":             {"state", 1, 7, 9, 9},
		"epoch 1 commits to lane 0 after epoch 2 has":            {"lane 0", 1, 7, 0, 0},
		"epoch 1 commits to beat after epoch 2 has":              {"beat", 1, 7, 0, 0},
		"two owners commit with epoch 2, the second to lane 1":   {"lane 1", 2, 10, 0, 0},
		"the snapshot goes back from 8 to 7":                     {"state", 2, 9, 7, 8},
		"the resume point goes back from 8 to 6":                 {"state", 3, 11, 8, 6},
		"two owners commit with epoch 2, the second to the next": {"the next", 2, 0, 0, 0},
	} {
		if err := fenced(append(good[:len(good):len(good)], late)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", late, err, want)
		}
	}
}

func TestWritesOutOfOrderAreFound(t *testing.T) {
	good := []written{{"a", 3}, {"b", 3}, {"b", 9}, {"a", 4}, {"c", 1}}
	if err := ordered(good); err != nil {
		t.Error(err)
	}
	for want, late := range map[string]written{
		"version 8 writes account b after version 9 has": {"b", 8},
		"version 4 writes account a after version 4 has": {"a", 4},
	} {
		if err := ordered(append(good[:len(good):len(good)], late)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", late, err, want)
		}
	}
}
