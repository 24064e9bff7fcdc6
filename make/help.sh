#!/bin/sh
# `help`: targets and variables of all makefiles with the text behind `## `. `long-help`: their `##` blocks.
set -fu

if [ "$1" = long-help ]; then
  for file in $COUNTERSIGN_MAKEFILES; do
    sed -n -e 's/^## TARGET:/\
TARGET:/p' -e t -e 's/^## \{0,1\}//p' "$file"
  done
  exit
fi

awk '
  /^[0-9a-zA-Z_-]+:.*## / {
    target = $0; sub(/:.*/, "", target)
    text = $0; sub(/^.*## /, "", text)
    targets = targets sprintf("  %-22s %s\n", target, text)
  }
  /^[0-9a-zA-Z_-]+ \?=/ {
    name = $0; sub(/ .*/, "", name)
    value = $0; sub(/^[^=]*= */, "", value); sub(/##.*/, "", value)
    text = ""
    if ($0 ~ /##/) { text = $0; sub(/^.*## */, "", text) }
    variables = variables sprintf("  %-30s %s%s\n", name, text, value == "" ? "" : " [" value "]")
  }
  END { printf "Targets:\n%s\nVariables:\n%s\nmake long-help tells more.\n", targets, variables }
' $COUNTERSIGN_MAKEFILES
