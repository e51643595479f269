package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/lockstep-log/lockstep/protocol"
)

// Format is the shape in which a command prints its result. It is a flag value.
type Format string

const (
	FormatText Format = "text"
	formatJSON Format = "json"
	formatYAML Format = "yaml"
)

// Flag adds --format.
func (f *Format) Flag(cmd *cobra.Command) {
	*f = FormatText
	cmd.Flags().Var(f, "format", "how to print the result")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(
		[]string{"text", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// String is for package pflag, as Type and Set are.
func (f *Format) String() string { return string(*f) }

// Type is what help shows as the value.
func (f *Format) Type() string { return "text|json|yaml" }

// Set takes what was typed.
func (f *Format) Set(s string) error {
	switch Format(s) {
	case FormatText, formatJSON, formatYAML:
		*f = Format(s)
		return nil
	}
	return fmt.Errorf("want text, json or yaml")
}

// Render prints v, or for people what text writes through aligned columns.
func (f Format) Render(out io.Writer, v any, text func(io.Writer)) error {
	if f == FormatText {
		tw := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		text(tw)
		return tw.Flush()
	}
	return f.Encode(out, v)
}

// Encode prints one value of a stream: a line of JSON, or a YAML document.
func (f Format) Encode(out io.Writer, v any) error {
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

// Row writes one line of a table. No cell, whoever chose its text, is more than one.
func Row(w io.Writer, cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = protocol.Printable(fmt.Sprint(c))
	}
	fmt.Fprintln(w, strings.Join(line, "\t"))
}

// OrDash stands a dash where there is nothing.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// OrDashIfBlank stands a dash where there is nothing.
func OrDashIfBlank(text string) string {
	if strings.TrimSpace(text) == "" {
		return "-"
	}
	return text
}

// NumberOrDash is a number, or a dash for the one that there is not.
func NumberOrDash(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// IDList writes broker ids with commas.
func IDList(list []int32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]")
}
