/**
 * A `.make` with the layout and the customs of SKA's: a file for each kind of artefact, verbs of three steps with hooks, help that
 * is read from the makefiles, further words behind `help` as sections, declarations left out while help is asked for.
 */
export const skaFiles: Readonly<Record<string, string>> = {
  ".make/base.mk": `SHELL=/usr/bin/env bash
include .make/help.mk
`,
  ".make/help.mk": `.DEFAULT_GOAL := help

ifneq (,$(filter help long-help,$(firstword $(MAKECMDGOALS))))
  HELP_SECTIONS := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
  $(eval $(HELP_SECTIONS):;@:)
endif

ifndef HELP_DEFINED
HELP_DEFINED = yes
help:  ## show targets and variables, of one section if it is named
	@for file in $(if $(HELP_SECTIONS),$(foreach section,$(HELP_SECTIONS),$(filter %$(section).mk,$(MAKEFILE_LIST))),$(MAKEFILE_LIST)); do \\
		echo "== $$file"; grep -E '^[0-9a-zA-Z_-]+:.*?## ' $$file; grep -E '^[0-9a-zA-Z_-]+ \\?=' $$file; \\
	done; true
long-help:  ## show the long description of targets
	@grep -h '^##' $(MAKEFILE_LIST)
.PHONY: help long-help
endif
`,
  ".make/oci.mk": `CAR_OCI_REGISTRY_HOST ?= registry.example.com## where images go
OCI_IMAGE ?= app## image to build
VERSION ?= 1.2.3

ifeq ($(filter help long-help,$(firstword $(MAKECMDGOALS))),)
.PHONY: oci-publish oci-pre-publish oci-do-publish oci-post-publish

oci-pre-publish:
oci-post-publish:

oci-do-publish:
	@sleep 0.3; echo published

## TARGET: oci-publish
## SYNOPSIS: make oci-publish
## HOOKS: oci-pre-publish, oci-post-publish
## VARS:
##       OCI_IMAGE=<image>
##
##  Publish an image.

oci-publish: oci-pre-publish oci-do-publish oci-post-publish  ## publish OCI_IMAGE
endif
`,
};
