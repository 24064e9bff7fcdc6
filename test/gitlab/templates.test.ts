import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { runProgram } from "../../src/cli/program.ts";
import { processTerminal } from "../../src/cli/terminal.ts";
import { jobOf, root, TEMPLATES, variableOf } from "./support/templates.ts";

const verbs = ["sign", "verify", "promote", "payload", "attach"];

describe("the GitLab templates", () => {
  it("are what their sources make", () => {
    execFileSync(process.execPath, ["scripts/gitlab.mjs", "--check"], { cwd: root });
  });

  it("are there for include and as components, with the same inputs", () => {
    expect(TEMPLATES.map(({ file }) => file).sort()).toEqual(
      verbs.flatMap((verb) => [`gitlab/${verb}.gitlab-ci.yml`, `templates/${verb}.yml`]).sort(),
    );
    for (const verb of verbs) {
      const [included, component] = TEMPLATES.filter(({ file }) => path.basename(file).startsWith(`${verb}.`));
      expect(component?.inputs).toEqual(included?.inputs);
    }
  });
});

describe.each(TEMPLATES)("$file", (template) => {
  const job = jobOf(template);
  const [script] = job.script;

  it("has one job, whose name begins with a prefix of the user's, and no global keyword", () => {
    expect(Object.keys(template.jobs)).toHaveLength(1);
    expect(Object.keys(template.jobs)[0]).toMatch(/^\$\[\[ inputs\.job-prefix \]\][a-z]+$/);
    expect(template.inputs["job-prefix"]?.default).toBe("countersign-");
  });

  it("demands no input but where the program comes from, and what a promotion is for", () => {
    const mandatory = Object.entries(template.inputs).filter(([, input]) => input.default === undefined);
    expect(mandatory.map(([input]) => input).filter((input) => input !== "environment")).toEqual(["program"]);
  });

  it("hands every input over by a variable or shapes the job with it", () => {
    for (const input of Object.keys(template.inputs)) {
      const uses = template.text.split(`$[[ inputs.${input} ]]`).length - 1;
      expect(uses, input).toBeGreaterThan(0);
      const carried = job.variables[variableOf(input)];
      if (carried === undefined) continue;
      expect(script, `${input} is carried, and not used`).toMatch(
        new RegExp(`\\["${input}",|(?:given|linesOf|isOn)\\("${input}"\\)`),
      );
    }
  });

  it("pastes nothing into the shell's text", () => {
    expect(script).not.toContain("$[[");
    expect(script).not.toMatch(/\$\{?COUNTERSIGN_INPUT/);
  });

  it("names no instance, and no registry", () => {
    expect(template.text).not.toMatch(/gitlab\.com|npmjs|docker\.io/);
  });

  it("gives the command only flags that it has", async () => {
    const [, verb = ""] = /^\{"verb":"([a-z]+)",.*$/m.exec(script) ?? [];
    const printed: string[] = [];
    const terminal = { ...processTerminal(), out: (text: string) => void printed.push(text) };
    expect(await runProgram([verb, "--help"], terminal)).toBe(0);
    const flags = [...script.matchAll(/\["[a-z-]+","(--[a-z-]+)","[a-z]+"\]/g)].map(([, flag = ""]) => flag);
    expect(flags.length).toBeGreaterThan(4);
    for (const flag of [...flags, "--report"]) expect(printed.join("")).toMatch(new RegExp(`[ ,]${flag} `));
  });

  it("tries again when the program could not tell, and only then", () => {
    expect(job.retry).toEqual({ max: 2, exit_codes: 3 });
  });

  it("keeps its reports whatever the outcome", () => {
    expect(job.artifacts).toMatchObject({ when: "always" });
  });

  it("is not cut off, nor beside another, while it promotes to an environment", () => {
    const gate = {
      environment: { name: "$[[ inputs.environment ]]" },
      resource_group: "countersign-promote-$[[ inputs.environment ]]",
      interruptible: false,
    };
    if (template.file.includes("promote")) expect(job).toMatchObject(gate);
    else expect(Object.keys(job)).not.toEqual(expect.arrayContaining(["environment"]));
  });

  it("knows its commit only where it is a component", () => {
    expect(template.component).toEqual(template.file.startsWith("templates/") ? ["sha"] : []);
    expect(job.variables["COUNTERSIGN_INPUT_COMMIT"]).toBe(
      template.file.startsWith("templates/") ? "$[[ component.sha ]]" : undefined,
    );
  });

  it("carries the scripts of the repository word for word", () => {
    for (const file of readdirSync(path.join(root, "gitlab")).filter((name) => name.endsWith(".mjs"))) {
      expect(script).toContain(`\n${readFileSync(path.join(root, "gitlab", file), "utf8")}END_OF_`);
    }
  });
});
