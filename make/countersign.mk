# Signing, verifying and promoting images by make: docs/make.md. Include this file from a git submodule:
#
#   include .countersign/make/countersign.mk
#
# Nothing runs while make reads it. Every value reaches the program through the environment, never as text of a
# recipe, so what is in it is not read by a shell. Only GNU make 4.3 is tested; nothing here is meant to be newer than 3.81.

countersign_default_goal := $(.DEFAULT_GOAL)
COUNTERSIGN_MAKE_FOLDER := $(dir $(lastword $(MAKEFILE_LIST)))

COUNTERSIGN_NODE ?= node## Node.js 20.11 or newer that runs the program

OCI_IMAGE_REF ?=## image to work on: REGISTRY/REPOSITORY:TAG or …@DIGEST
OCI_IMAGE_REFS ?=## images to work on with oci-…-all, divided by spaces
OCI_REGISTRY_FLAGS ?=## flags for the registry, of every command: --registry-cacert ca.pem

OCI_SIGN_KEY ?=## private key: path or env://NAME of the variable that holds it
OCI_SIGN_SIGNER ?=## instead of a key: https+sign://…, notation-plugin:NAME?id=KEY
OCI_SIGN_PUBLIC_KEY ?=## the signing key's public half, where there is no certificate (signers elsewhere, payload, attach)
OCI_SIGN_CERTIFICATE ?=## the signing key's certificate
OCI_SIGN_CERTIFICATE_CHAIN ?=## its issuers, in any order
OCI_SIGN_FORMAT ?=## cosign, bundle, notation or notation-cose; sign takes several, by comma
OCI_SIGN_FLAGS ?=## more flags of countersign sign, divided by spaces
OCI_SIGN_REPORT ?=## files to keep the report in: .json, .xml (JUnit), .md, .env

OCI_VERIFY_KEY ?=## public key that must have signed
OCI_VERIFY_CA_ROOTS ?=## or certificates that the signer's must lead back to
OCI_VERIFY_IDENTITY ?=## alternative name that the signer's certificate must have
OCI_VERIFY_FLAGS ?=## more flags of countersign verify, divided by spaces
OCI_VERIFY_REPORT ?=## files to keep the report in

OCI_PROMOTE_SOURCE ?=## image to promote
OCI_PROMOTE_DESTINATION ?=## where to; its tag is moved last
OCI_PROMOTE_IMAGES ?=## for oci-promote-all: NAME:TAG of each image, divided by spaces
OCI_PROMOTE_SOURCE_REPO ?=## for oci-promote-all: REGISTRY[/PATH] that these are under
OCI_PROMOTE_DESTINATION_REPO ?=## for oci-promote-all: REGISTRY[/PATH] that they go under
OCI_PROMOTE_FLAGS ?=## more flags of countersign promote, divided by spaces
OCI_PROMOTE_REPORT ?=## files to keep the report in

OCI_PAYLOAD_DIR ?= build/countersign## where payloads are written, and signatures read from
OCI_PAYLOAD_FILE ?=## payload of OCI_IMAGE_REF, when it has another name
OCI_PAYLOAD_FLAGS ?=## more flags of countersign payload, divided by spaces
OCI_PAYLOAD_REPORT ?=## files to keep the report in
OCI_ATTACH_SIGNATURE ?=## signature over that payload, when it has another name
OCI_ATTACH_FLAGS ?=## more flags of countersign attach, divided by spaces
OCI_ATTACH_REPORT ?=## files to keep the report in

export COUNTERSIGN_MAKE_FOLDER COUNTERSIGN_NODE
export COUNTERSIGN_MAKEFILES = $(MAKEFILE_LIST)
export OCI_IMAGE_REF OCI_IMAGE_REFS OCI_REGISTRY_FLAGS
export OCI_SIGN_KEY OCI_SIGN_SIGNER OCI_SIGN_PUBLIC_KEY OCI_SIGN_CERTIFICATE OCI_SIGN_CERTIFICATE_CHAIN
export OCI_SIGN_FORMAT OCI_SIGN_FLAGS OCI_SIGN_REPORT
export OCI_VERIFY_KEY OCI_VERIFY_CA_ROOTS OCI_VERIFY_IDENTITY OCI_VERIFY_FLAGS OCI_VERIFY_REPORT
export OCI_PROMOTE_SOURCE OCI_PROMOTE_DESTINATION OCI_PROMOTE_IMAGES OCI_PROMOTE_SOURCE_REPO
export OCI_PROMOTE_DESTINATION_REPO OCI_PROMOTE_FLAGS OCI_PROMOTE_REPORT
export OCI_PAYLOAD_DIR OCI_PAYLOAD_FILE OCI_PAYLOAD_FLAGS OCI_PAYLOAD_REPORT
export OCI_ATTACH_SIGNATURE OCI_ATTACH_FLAGS OCI_ATTACH_REPORT

countersign_verbs := sign verify promote payload attach
countersign_all := $(countersign_verbs) $(addsuffix -all,$(countersign_verbs))

# Behind `make help` further words are sections, not goals.
ifeq ($(filter help long-help,$(firstword $(MAKECMDGOALS))),)

.PHONY: $(foreach verb,$(countersign_all),oci-$(verb) oci-pre-$(verb) oci-do-$(verb) oci-post-$(verb))

# Empty hooks, to be given prerequisites or a recipe by whoever includes this file.
$(foreach verb,$(countersign_all),oci-pre-$(verb) oci-post-$(verb)):

# With -j, too, the steps of a verb follow one another, and so do verbs named one after the other. What a hook has as
# prerequisites cannot be ordered so: where nothing but verbs is asked for, everything follows one another.
ifneq ($(MAKECMDGOALS),)
ifeq ($(filter-out oci-publish oci-publish-all $(addprefix oci-,$(countersign_all)),$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
endif
$(foreach verb,$(countersign_all),$(eval oci-do-$(verb): | oci-pre-$(verb)))
$(foreach verb,$(countersign_all),$(eval oci-post-$(verb): | oci-do-$(verb)))
countersign_earlier :=
$(foreach goal,$(filter $(addprefix oci-,$(countersign_all)),$(MAKECMDGOALS)),\
  $(if $(filter $(goal),$(countersign_earlier)),,\
    $(foreach earlier,$(countersign_earlier),$(eval $(goal:oci-%=oci-pre-%): | $(earlier:oci-%=oci-do-%)))\
    $(eval countersign_earlier += $(goal))))

$(addprefix oci-do-,$(countersign_all)):
	@sh "$$COUNTERSIGN_MAKE_FOLDER/countersign.sh" $(@:oci-do-%=%)

## TARGET: oci-sign
## SYNOPSIS: make oci-sign
## HOOKS: oci-pre-sign, oci-post-sign
## VARS:
##       OCI_IMAGE_REF=<image>
##       OCI_SIGN_KEY=<path or env://NAME> or OCI_SIGN_SIGNER=<address>
##       OCI_SIGN_CERTIFICATE=<file> OCI_SIGN_CERTIFICATE_CHAIN=<file>
##       OCI_SIGN_FORMAT=<cosign, bundle, notation, notation-cose; several by comma>
##       OCI_SIGN_FLAGS=<more flags> OCI_REGISTRY_FLAGS=<flags for the registry>
##       OCI_SIGN_REPORT=<files>
##
##  Sign an image, store the signature beside it, and verify what was stored. A tag is resolved once; what is signed
##  is its digest. Signing again what this key has signed already changes nothing.
##
##  The program's own exit status (1 refused, 2 wrong use, 3 could not tell, safe to try again) is printed, for make
##  itself ends in 2, and kept in FILE.status beside the first file of OCI_SIGN_REPORT. So it is with every target.

oci-sign: oci-pre-sign oci-do-sign oci-post-sign  ## sign OCI_IMAGE_REF

## TARGET: oci-sign-all
## SYNOPSIS: make oci-sign-all
## HOOKS: oci-pre-sign-all, oci-post-sign-all
## VARS:
##       OCI_IMAGE_REFS=<images>
##       and those of oci-sign
##
##  Sign every image of a list in one run. One that fails does not stop the others.

oci-sign-all: oci-pre-sign-all oci-do-sign-all oci-post-sign-all  ## sign every image of OCI_IMAGE_REFS

## TARGET: oci-verify
## SYNOPSIS: make oci-verify
## HOOKS: oci-pre-verify, oci-post-verify
## VARS:
##       OCI_IMAGE_REF=<image>
##       OCI_VERIFY_KEY=<public key>
##       OCI_VERIFY_CA_ROOTS=<file> OCI_VERIFY_IDENTITY=<name>
##       OCI_VERIFY_FLAGS=<more flags> OCI_REGISTRY_FLAGS=<flags for the registry>
##       OCI_VERIFY_REPORT=<files>
##
##  Fail unless a signature on the image is by that key, or by a certificate with that name under those roots.

oci-verify: oci-pre-verify oci-do-verify oci-post-verify  ## verify OCI_IMAGE_REF

## TARGET: oci-verify-all
## SYNOPSIS: make oci-verify-all
## HOOKS: oci-pre-verify-all, oci-post-verify-all
## VARS:
##       OCI_IMAGE_REFS=<images>
##       and those of oci-verify
##
##  Fail unless every image of a list verifies.

oci-verify-all: oci-pre-verify-all oci-do-verify-all oci-post-verify-all  ## verify every image of OCI_IMAGE_REFS

## TARGET: oci-promote
## SYNOPSIS: make oci-promote
## HOOKS: oci-pre-promote, oci-post-promote
## VARS:
##       OCI_PROMOTE_SOURCE=<image>
##       OCI_PROMOTE_DESTINATION=<image>
##       OCI_VERIFY_KEY=<public key>
##       OCI_VERIFY_CA_ROOTS=<file> OCI_VERIFY_IDENTITY=<name>
##       OCI_PROMOTE_FLAGS=<more flags> OCI_REGISTRY_FLAGS=<flags for the registry>
##       OCI_PROMOTE_REPORT=<files>
##
##  Verify an image, copy it with everything attached to it, verify the copy, and only then move the destination's tag.

oci-promote: oci-pre-promote oci-do-promote oci-post-promote  ## promote OCI_PROMOTE_SOURCE to OCI_PROMOTE_DESTINATION

## TARGET: oci-promote-all
## SYNOPSIS: make oci-promote-all
## HOOKS: oci-pre-promote-all, oci-post-promote-all
## VARS:
##       OCI_PROMOTE_IMAGES=<NAME:TAG of each>
##       OCI_PROMOTE_SOURCE_REPO=<REGISTRY[/PATH]>
##       OCI_PROMOTE_DESTINATION_REPO=<REGISTRY[/PATH]>
##       and those of oci-promote
##
##  Promote every image of a list from below one repository path to below another, in one run.

oci-promote-all: oci-pre-promote-all oci-do-promote-all oci-post-promote-all  ## promote every image of OCI_PROMOTE_IMAGES

## TARGET: oci-payload
## SYNOPSIS: make oci-payload
## HOOKS: oci-pre-payload, oci-post-payload
## VARS:
##       OCI_IMAGE_REF=<image>
##       OCI_PAYLOAD_DIR=<folder> or OCI_PAYLOAD_FILE=<file>
##       OCI_SIGN_PUBLIC_KEY=<file> or OCI_SIGN_CERTIFICATE=<file> OCI_SIGN_CERTIFICATE_CHAIN=<file>
##       OCI_SIGN_FORMAT=<cosign, bundle, notation or notation-cose>
##       OCI_PAYLOAD_FLAGS=<more flags> OCI_REGISTRY_FLAGS=<flags for the registry>
##       OCI_PAYLOAD_REPORT=<files>
##
##  Write the bytes to sign, for a key that cannot be reached from here, to OCI_PAYLOAD_DIR/NAME.payload: NAME is the
##  image as written, with _ for what is neither letter, digit, dot nor hyphen. Sign them to NAME.sig, then oci-attach.

oci-payload: oci-pre-payload oci-do-payload oci-post-payload  ## write the bytes to sign for OCI_IMAGE_REF

## TARGET: oci-payload-all
## SYNOPSIS: make oci-payload-all
## HOOKS: oci-pre-payload-all, oci-post-payload-all
## VARS:
##       OCI_IMAGE_REFS=<images>
##       and those of oci-payload
##
##  Write the bytes to sign for every image of a list. Reports get NAME before their ending.

oci-payload-all: oci-pre-payload-all oci-do-payload-all oci-post-payload-all  ## write the bytes to sign for every image of OCI_IMAGE_REFS

## TARGET: oci-attach
## SYNOPSIS: make oci-attach
## HOOKS: oci-pre-attach, oci-post-attach
## VARS:
##       OCI_IMAGE_REF=<image>
##       OCI_PAYLOAD_DIR=<folder> or OCI_PAYLOAD_FILE=<file> and OCI_ATTACH_SIGNATURE=<file>
##       OCI_SIGN_PUBLIC_KEY=<file> or OCI_SIGN_CERTIFICATE=<file> OCI_SIGN_CERTIFICATE_CHAIN=<file>
##       OCI_ATTACH_FLAGS=<more flags> OCI_REGISTRY_FLAGS=<flags for the registry>
##       OCI_ATTACH_REPORT=<files>
##
##  Check the signature that was made elsewhere over what oci-payload wrote, and store it beside the image.

oci-attach: oci-pre-attach oci-do-attach oci-post-attach  ## check and store what was signed elsewhere for OCI_IMAGE_REF

## TARGET: oci-attach-all
## SYNOPSIS: make oci-attach-all
## HOOKS: oci-pre-attach-all, oci-post-attach-all
## VARS:
##       OCI_IMAGE_REFS=<images>
##       and those of oci-attach
##
##  Check and store the signature of every image of a list. Reports get NAME before their ending.

oci-attach-all: oci-pre-attach-all oci-do-attach-all oci-post-attach-all  ## check and store what was signed elsewhere for every image of OCI_IMAGE_REFS

endif

# `help` and `long-help` as pattern rules: whoever else defines them, before or after, is obeyed without a warning.
ifndef HELP_DEFINED
h%lp long-h%lp: countersign-always
	$(if $(filter e,$*),,$(error No rule to make target '$@'))@sh "$$COUNTERSIGN_MAKE_FOLDER/help.sh" $@
.PHONY: countersign-always
countersign-always:
endif

# Including this file leaves the default goal to whoever includes it; alone it has nothing better to do than to explain.
ifeq ($(words $(MAKEFILE_LIST)),1)
.DEFAULT_GOAL := help
else
.DEFAULT_GOAL := $(countersign_default_goal)
endif
