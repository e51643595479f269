package main

import "github.com/spf13/cobra"

func newDemo(s *streams) *cobra.Command {
	return group("demo", "Show what conditional appends are for", newDemoBank(s), newDemoTeller(s))
}
