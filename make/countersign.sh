#!/bin/sh
# Runs one command of countersign with what countersign.mk exports: countersign.sh VERB[-all]. POSIX; nothing that a
# variable holds is read as shell: single values stay one word, lists and flags are divided at white space and no more.
set -fu
unset IFS

fail() {
  echo "countersign: $1" >&2
  exit 2
}

# 1 beats everything, as in the program itself; else the first that is not 0 stays.
worst() {
  if [ "$2" -eq 1 ] || [ "$1" -eq 0 ]; then echo "$2"; else echo "$1"; fi
}

check_node() {
  command -v "$COUNTERSIGN_NODE" >/dev/null 2>&1 ||
    fail "there is no program $COUNTERSIGN_NODE: install Node.js 20.11 or newer, or name it with COUNTERSIGN_NODE"
  version=$("$COUNTERSIGN_NODE" --version 2>/dev/null) || version=
  case $version in
    v20.[0-9] | v20.[0-9].* | v20.10.* | v1[0-9].* | v[0-9].*) ;;
    v[2-9][0-9].* | v[1-9][0-9][0-9].*) return ;;
  esac
  fail "$COUNTERSIGN_NODE is ${version:-no Node.js}: install Node.js 20.11 or newer, or name it with COUNTERSIGN_NODE"
}

# The image as the name of a file.
file_name() {
  printf '%s' "$1" | tr -c 'A-Za-z0-9.-' '_'
}

# named FILES NAME: NAME before the ending of each file, as report.NAME.xml of report.xml
named() {
  for file in $1; do
    case ${file##*/} in
      *.*) printf '%s.%s.%s ' "${file%.*}" "$2" "${file##*.}" ;;
      *) printf '%s.%s ' "$file" "$2" ;;
    esac
  done
}

program=$COUNTERSIGN_MAKE_FOLDER/../dist/index.js
status=0

# run FILES COMMAND ARGUMENT...: the program with its report in each of FILES. Its exit status, which make would turn
# into 2, is printed and kept beside the first of them.
run() {
  files=$1 command=$2
  shift 2
  for file in $files; do
    set -- "--report=$file" "$@"
  done
  "$COUNTERSIGN_NODE" "$program" "$command" "$@"
  ended=$?
  for file in $files; do
    mkdir -p "$(dirname "$file")" && echo "$ended" >"$file.status"
    break
  done
  [ "$ended" -eq 0 ] || echo "countersign ended with status $ended" >&2
  status=$(worst "$status" "$ended")
}

sign() {
  run "$OCI_SIGN_REPORT" sign \
    ${OCI_SIGN_KEY:+"--key=$OCI_SIGN_KEY"} \
    ${OCI_SIGN_SIGNER:+"--signer=$OCI_SIGN_SIGNER"} \
    ${OCI_SIGN_PUBLIC_KEY:+"--public-key=$OCI_SIGN_PUBLIC_KEY"} \
    ${OCI_SIGN_CERTIFICATE:+"--certificate=$OCI_SIGN_CERTIFICATE"} \
    ${OCI_SIGN_CERTIFICATE_CHAIN:+"--certificate-chain=$OCI_SIGN_CERTIFICATE_CHAIN"} \
    ${OCI_SIGN_FORMAT:+"--format=$OCI_SIGN_FORMAT"} \
    $OCI_SIGN_FLAGS $OCI_REGISTRY_FLAGS -- "$@"
}

# verifying FILES COMMAND ARGUMENT...: verify, or what verifies as it does.
verifying() {
  files=$1 command=$2
  shift 2
  run "$files" "$command" \
    ${OCI_VERIFY_KEY:+"--key=$OCI_VERIFY_KEY"} \
    ${OCI_VERIFY_CA_ROOTS:+"--ca-roots=$OCI_VERIFY_CA_ROOTS"} \
    ${OCI_VERIFY_IDENTITY:+"--certificate-identity=$OCI_VERIFY_IDENTITY"} \
    $OCI_REGISTRY_FLAGS "$@"
}

# The program reads the pairs of many images from standard input.
promote_all() {
  source=${OCI_PROMOTE_SOURCE_REPO%/} destination=${OCI_PROMOTE_DESTINATION_REPO%/}
  for name in $OCI_PROMOTE_IMAGES; do
    printf '%s/%s %s/%s\n' "$source" "$name" "$destination" "$name"
  done | {
    verifying "$OCI_PROMOTE_REPORT" promote $OCI_PROMOTE_FLAGS --images=-
    exit "$status"
  }
  status=$?
}

# material REPORT COMMAND ARGUMENT...: who signs elsewhere, of payload and attach.
material() {
  files=$1 command=$2
  shift 2
  run "$files" "$command" \
    ${OCI_SIGN_PUBLIC_KEY:+"--public-key=$OCI_SIGN_PUBLIC_KEY"} \
    ${OCI_SIGN_CERTIFICATE:+"--certificate=$OCI_SIGN_CERTIFICATE"} \
    ${OCI_SIGN_CERTIFICATE_CHAIN:+"--certificate-chain=$OCI_SIGN_CERTIFICATE_CHAIN"} \
    ${OCI_SIGN_FORMAT:+"--format=$OCI_SIGN_FORMAT"} \
    $OCI_REGISTRY_FLAGS "$@"
}

# payload FILE REPORTS IMAGE, attach FILE SIGNATURE REPORTS IMAGE
payload() {
  material "$2" payload "--out=$1" $OCI_PAYLOAD_FLAGS -- "$3"
}
attach() {
  material "$3" attach "--payload=$1" "--signature=$2" $OCI_ATTACH_FLAGS -- "$4"
}

required() {
  [ -n "$2" ] || fail "$1 is empty: $3"
}

check_node
goal=$1
case $goal in
  promote)
    required OCI_PROMOTE_SOURCE "$OCI_PROMOTE_SOURCE" "set it to the image to promote"
    required OCI_PROMOTE_DESTINATION "$OCI_PROMOTE_DESTINATION" "set it to where the image shall go"
    verifying "$OCI_PROMOTE_REPORT" promote $OCI_PROMOTE_FLAGS -- "$OCI_PROMOTE_SOURCE" "$OCI_PROMOTE_DESTINATION"
    exit "$status"
    ;;
  promote-all)
    required OCI_PROMOTE_IMAGES "$OCI_PROMOTE_IMAGES" "set it to NAME:TAG of each image, divided by spaces"
    required OCI_PROMOTE_SOURCE_REPO "$OCI_PROMOTE_SOURCE_REPO" "set it to REGISTRY[/PATH] that the images are under"
    required OCI_PROMOTE_DESTINATION_REPO "$OCI_PROMOTE_DESTINATION_REPO" "set it to REGISTRY[/PATH] that they go under"
    case $OCI_PROMOTE_SOURCE_REPO$OCI_PROMOTE_DESTINATION_REPO in
      *[[:space:]]*) fail "OCI_PROMOTE_SOURCE_REPO and OCI_PROMOTE_DESTINATION_REPO name one path each: remove the space" ;;
    esac
    promote_all
    exit "$status"
    ;;
  *-all)
    set -- $OCI_IMAGE_REFS
    required OCI_IMAGE_REFS "$*" "set it to the images, divided by spaces"
    ;;
  *)
    set -- "$OCI_IMAGE_REF"
    required OCI_IMAGE_REF "$1" "set it to the image, as registry.example.com/app:1.2"
    ;;
esac

case $goal in
  sign | sign-all) sign "$@" ;;
  verify | verify-all) verifying "$OCI_VERIFY_REPORT" verify $OCI_VERIFY_FLAGS -- "$@" ;;
  payload)
    payload "${OCI_PAYLOAD_FILE:-$OCI_PAYLOAD_DIR/$(file_name "$1").payload}" "$OCI_PAYLOAD_REPORT" "$1"
    ;;
  attach)
    stem=$OCI_PAYLOAD_DIR/$(file_name "$1")
    attach "${OCI_PAYLOAD_FILE:-$stem.payload}" "${OCI_ATTACH_SIGNATURE:-$stem.sig}" "$OCI_ATTACH_REPORT" "$1"
    ;;
  *)
    names=
    for image in "$@"; do
      names="$names $(file_name "$image")"
    done
    twice=$(printf '%s\n' $names | sort | uniq -d)
    [ -z "$twice" ] || fail "several images of OCI_IMAGE_REFS would have the file $twice: name each once, or take them one by one"
    for image in "$@"; do
      name=$(file_name "$image")
      stem=$OCI_PAYLOAD_DIR/$name
      case $goal in
        payload-all) payload "$stem.payload" "$(named "$OCI_PAYLOAD_REPORT" "$name")" "$image" ;;
        attach-all) attach "$stem.payload" "$stem.sig" "$(named "$OCI_ATTACH_REPORT" "$name")" "$image" ;;
      esac
    done
    ;;
esac
exit "$status"
