// image-policy asks containers/image itself, at the version that it is built with, what a policy.json says of images: the library of
// podman, skopeo and CRI-O, newer than the programs that a distribution packages, with none of it patched out.
//
// It reads one JSON object a line from standard input and answers each with one line:
//
//	{"policy": "FILE", "image": "docker://HOST/NAME:TAG", "registriesD": "FOLDER", "instance": "sha256:…"}
//	{"parsed": true, "allowed": false, "error": "why"}
//
// "instance" picks a manifest out of an index. Without "image" the policy is only read. Registries are asked without TLS.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

type question struct {
	Policy      string `json:"policy"`
	Image       string `json:"image"`
	RegistriesD string `json:"registriesD"`
	Instance    string `json:"instance"`
}

type answer struct {
	Parsed  bool   `json:"parsed"`
	Allowed bool   `json:"allowed"`
	Error   string `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := out.Encode(judge(asked)); err != nil {
			os.Exit(2)
		}
	}
}

func judge(asked question) answer {
	policy, err := signature.NewPolicyFromFile(asked.Policy)
	if err != nil {
		return answer{Error: err.Error()}
	}
	if asked.Image == "" {
		return answer{Parsed: true}
	}
	allowed, err := allowed(policy, asked)
	if err != nil {
		return answer{Parsed: true, Error: err.Error()}
	}
	return answer{Parsed: true, Allowed: allowed}
}

func allowed(policy *signature.Policy, asked question) (bool, error) {
	ctx := context.Background()
	policyContext, err := signature.NewPolicyContext(policy)
	if err != nil {
		return false, err
	}
	defer func() { _ = policyContext.Destroy() }()
	reference, err := parse(asked.Image)
	if err != nil {
		return false, err
	}
	source, err := reference.NewImageSource(ctx, &types.SystemContext{
		RegistriesDirPath:           asked.RegistriesD,
		DockerInsecureSkipTLSVerify: types.OptionalBoolTrue,
	})
	if err != nil {
		return false, err
	}
	defer func() { _ = source.Close() }()
	var instance *digest.Digest
	if asked.Instance != "" {
		chosen := digest.Digest(asked.Instance)
		instance = &chosen
	}
	return policyContext.IsRunningImageAllowed(ctx, image.UnparsedInstance(source, instance))
}

func parse(name string) (types.ImageReference, error) {
	transport, rest, _ := strings.Cut(name, ":")
	switch transport {
	case "docker":
		return docker.ParseReference(rest)
	case "dir":
		return directory.Transport.ParseReference(rest)
	case "oci":
		return layout.ParseReference(rest)
	}
	return nil, fmt.Errorf("no transport is called %q", transport)
}
