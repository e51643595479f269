package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/lockstep-log/lockstep/protocol"
)

// format is the shape in which a command prints its result. It is a flag value.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
	formatYAML format = "yaml"
)

func (f *format) flag(cmd *cobra.Command) {
	*f = formatText
	cmd.Flags().Var(f, "format", "how to print the result")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(
		[]string{"text", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "text|json|yaml" }

func (f *format) Set(s string) error {
	switch format(s) {
	case formatText, formatJSON, formatYAML:
		*f = format(s)
		return nil
	}
	return fmt.Errorf("want text, json or yaml")
}

// render prints v, or for people what text writes through aligned columns.
func (f format) render(out io.Writer, v any, text func(io.Writer)) error {
	if f == formatText {
		tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		text(tw)
		return tw.Flush()
	}
	return f.encode(out, v)
}

// encode prints one value of a stream: a line of JSON, or a YAML document.
func (f format) encode(out io.Writer, v any) error {
	if f == formatJSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	b, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "---\n%s", b)
	return err
}

// row writes one line of a table. No cell, whoever chose its text, is more than one.
func row(w io.Writer, cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = protocol.Printable(fmt.Sprint(c))
	}
	fmt.Fprintln(w, strings.Join(line, "\t"))
}
