//go:build !linux

package main

import (
	"errors"
	"time"
)

var errNoCPU = errors.New("bench reads CPU times as Linux gives them")

func processCPU(int) (time.Duration, error) { return 0, errNoCPU }

func machineCPU() (time.Duration, error) { return 0, errNoCPU }
