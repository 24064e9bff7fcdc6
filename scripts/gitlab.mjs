#!/usr/bin/env node
// Writes the GitLab templates: gitlab/*.gitlab-ci.yml for include: and templates/*.yml, the components. Both carry
// gitlab/*.mjs word for word, since a job has nothing else yet.
//
//   node scripts/gitlab.mjs           write them
//   node scripts/gitlab.mjs --check   end in 1 when one is not in step with its sources
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { JOBS } from "./gitlab-inputs.mjs";
import { root } from "./setup.mjs";

const scripts = Object.fromEntries(
  ["stop.mjs", "download.mjs", "archive.mjs", "program.mjs", "job.mjs"].map((name) => [name, read(`gitlab/${name}`)]),
);

function read(file) {
  return readFileSync(path.join(root, file), "utf8");
}

/** Endings of the reports that a job keeps. */
const REPORTS = [".json", ".xml", ".env"];

const indent = (text, by) => text.replace(/^(?=.)/gm, " ".repeat(by));
const variableOf = (input) => `COUNTERSIGN_INPUT_${input.toUpperCase().replaceAll("-", "_")}`;

function header({ inputs }, component) {
  const lines = Object.entries(inputs).map(([input, { description, type = "string", default: value, regex }]) => {
    const fields = [
      `description: ${JSON.stringify(description)}`,
      `type: ${type}`,
      ...(value === undefined ? [] : [`default: ${JSON.stringify(value)}`]),
      ...(regex === undefined ? [] : [`regex: ${JSON.stringify(regex)}`]),
    ];
    return `    ${input}:\n${fields.map((field) => `      ${field}`).join("\n")}`;
  });
  return `spec:\n${component ? "  component: [sha]\n" : ""}  inputs:\n${lines.join("\n")}\n---\n`;
}

/** Inputs that the job itself does not read: they shape it. */
const shaping = ["job-prefix", "stage", "runner-image", "rules", "environment"];

function variables({ inputs }, component) {
  const lines = Object.entries(inputs)
    .filter(([input]) => !shaping.includes(input))
    // A variable is a text: beside other words a boolean becomes one.
    .map(([input, { type }]) => [variableOf(input), `${type === "boolean" ? `${input}=` : ""}$[[ inputs.${input} ]]`]);
  if (component) lines.push(["COUNTERSIGN_INPUT_COMMIT", "$[[ component.sha ]]"]);
  return lines.map(([variable, value]) => `    ${variable}: ${JSON.stringify(value)}`).join("\n");
}

/** The shell's part: is there a Node.js that will do, then over to it. */
function script(verb, { guarded = false, pairs = false, inputs }) {
  const flags = Object.entries(inputs).flatMap(([input, { flag }]) => (flag ? [[input, ...flag]] : []));
  const job = { verb, guarded, pairs, reports: REPORTS, flags };
  const files = { ...scripts, "job.json": `${JSON.stringify(job)}\n` };
  const written = Object.entries(files).map(([file, text]) => {
    const end = `END_OF_${file.toUpperCase().replace(".", "_")}`;
    if (text.includes(end)) throw new Error(`${file} holds ${end}`);
    return `cat >"$countersign/${file}" <<'${end}'\n${text}${end}\n`;
  });
  return `# countersign ${verb}
if ! command -v node >/dev/null 2>&1; then
  echo "countersign: E_COMMAND: Node.js is not in the image of this job" >&2
  echo "  mend: name an image that has Node.js 20.11 or newer by the input runner-image" >&2
  exit 2
fi
if ! node -e 'var v = process.versions.node.split("."); process.exit(v[0] > 20 || (v[0] == 20 && v[1] >= 11) ? 0 : 1)'; then
  echo "countersign: E_COMMAND: Node.js $(node --version) is too old" >&2
  echo "  mend: name an image that has Node.js 20.11 or newer by the input runner-image" >&2
  exit 2
fi
countersign=$(mktemp -d)
${written.join("")}countersign_status=0
NODE_EXTRA_CA_CERTS="\${NODE_EXTRA_CA_CERTS:-\${CI_SERVER_TLS_CA_FILE:-}}" node "$countersign/job.mjs" || countersign_status=$?
rm -rf "$countersign"
[ "$countersign_status" -eq 0 ] || exit "$countersign_status"
`;
}

/** A promotion is never cut off, and never meets another to the same environment. */
const gate = `  environment:
    name: $[[ inputs.environment ]]
  resource_group: countersign-promote-$[[ inputs.environment ]]
  interruptible: false
`;

function template(verb, job, component) {
  const reports = `countersign-reports/$[[ inputs.job-prefix ]]${verb}`;
  return `# ${job.summary}
# Written by scripts/gitlab.mjs from gitlab/*.mjs: change those. docs/gitlab.md tells how to use it.
${header(job, component)}
"$[[ inputs.job-prefix ]]${verb}":
  stage: $[[ inputs.stage ]]
  image: $[[ inputs.runner-image ]]
  rules: $[[ inputs.rules ]]
${job.gate ? gate : ""}  variables:
${variables(job, component)}
    COUNTERSIGN_INPUT_REPORTS: "${reports}"
  script:
    - |
${indent(script(verb, job), 6)}  retry:
    max: 2
    exit_codes: 3
  artifacts:
    when: always
    paths:
${REPORTS.map((ending) => `      - ${reports}${ending}`).join("\n")}${job.keeps ? `\n      - $[[ inputs.${job.keeps} ]]` : ""}
    reports:
      junit: ${reports}.xml
      dotenv: ${reports}.env
`;
}

const wanted = new Map(
  Object.entries(JOBS).flatMap(([verb, job]) => [
    [`gitlab/${verb}.gitlab-ci.yml`, template(verb, job, false)],
    [`templates/${verb}.yml`, template(verb, job, true)],
  ]),
);

if (process.argv.includes("--check")) {
  const stale = [...wanted].filter(([file, text]) => read(file) !== text).map(([file]) => file);
  for (const file of stale) console.error(`${file} is not in step: run node scripts/gitlab.mjs`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const [file, text] of wanted) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
}
