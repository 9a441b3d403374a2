//go:build unix && !linux

package main

import "time"

func sleep(d time.Duration) { time.Sleep(d) }
