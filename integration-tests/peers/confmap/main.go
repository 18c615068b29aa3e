// What the Collector's own confmap makes of sources: a JSON list of cases on standard input, a JSON list of results on
// standard output.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
)

type source struct {
	Files     map[string]string `json:"files"`
	Variables map[string]string `json:"variables"`
	Configs   []string          `json:"configs"`
}

type result struct {
	Config any    `json:"config,omitempty"`
	Error  string `json:"error,omitempty"`
}

// The folder that files of a case are in has this name in it.
const folderMark = "@DIR@"

func run(s source) (result, error) {
	dir, err := os.MkdirTemp("", "confmap")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	placed := func(text string) string { return strings.ReplaceAll(text, folderMark, dir) }
	for name, text := range s.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(placed(text)), 0o600); err != nil {
			return result{}, err
		}
	}
	for name, value := range s.Variables {
		os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	var uris []string
	for _, config := range s.Configs {
		uris = append(uris, placed(config))
	}
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: uris,
		ProviderFactories: []confmap.ProviderFactory{
			fileprovider.NewFactory(), envprovider.NewFactory(), yamlprovider.NewFactory(),
		},
		DefaultScheme: "env",
	})
	failed := func(err error) result {
		return result{Error: strings.ReplaceAll(err.Error(), dir, folderMark)}
	}
	if err != nil {
		return failed(err), nil
	}
	conf, err := resolver.Resolve(context.Background())
	if err != nil {
		return failed(err), nil
	}
	return result{Config: plain(conf.ToStringMap())}, nil
}

// A value that came from an expression is both what it says and how it was written: the former counts here.
func plain(value any) any {
	bytes, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	var walked any
	if err := json.Unmarshal(bytes, &walked); err != nil {
		return fmt.Sprint(value)
	}
	return walk(walked)
}

func walk(value any) any {
	switch value := value.(type) {
	case map[string]any:
		said, isExpanded := value["Value"]
		if _, alsoWritten := value["Original"]; isExpanded && alsoWritten && len(value) == 2 {
			return walk(said)
		}
		for key := range value {
			value[key] = walk(value[key])
		}
	case []any:
		for index := range value {
			value[index] = walk(value[index])
		}
	}
	return value
}

func main() {
	var sources []source
	if err := json.NewDecoder(os.Stdin).Decode(&sources); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	results := []result{}
	for _, source := range sources {
		result, err := run(source)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		results = append(results, result)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(results); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
