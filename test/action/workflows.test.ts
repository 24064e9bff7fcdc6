import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { COMMANDS, INPUTS, isInputName } from "../../src/action/input-table.ts";
import { action } from "./support/step.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

const step = z.object({
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.union([z.string(), z.boolean()])).optional(),
});
const job = z.object({
  uses: z.string().optional(),
  permissions: z.record(z.string(), z.string()).optional(),
  environment: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  secrets: z.record(z.string(), z.string()).optional(),
  steps: z.array(step).default([]),
});
const declared = z.record(z.string(), z.object({ description: z.string() }).loose());
const reusable = z.object({
  on: z.object({
    workflow_call: z.object({
      inputs: z.record(
        z.string(),
        z.strictObject({
          description: z.string(),
          type: z.enum(["string", "boolean"]),
          required: z.boolean().optional(),
          default: z.union([z.string(), z.boolean()]).optional(),
        }),
      ),
      secrets: declared,
      outputs: declared,
    }),
  }),
  jobs: z.record(z.string(), job),
});

type Step = z.infer<typeof step>;

function expectGoodStep({ with: given = {} }: Step): void {
  const command = COMMANDS.find((name) => name === given["command"]);
  expect(command, JSON.stringify(given)).toBeDefined();
  for (const name of Object.keys(given).filter((each) => each !== "command")) {
    expect(isInputName(name) && INPUTS[name].commands.some((each) => each === command), `${command}: ${name}`).toBe(
      true,
    );
  }
}

describe.each(["sign", "promote"])("the reusable workflow %s.yml", (name) => {
  const text = readFileSync(`${root}.github/workflows/${name}.yml`, "utf8");
  const workflow = reusable.parse(parse(text));
  const { inputs, secrets } = workflow.on.workflow_call;
  const only = workflow.jobs[name] ?? expect.fail("no such job");

  it("hands every input and secret that it declares to the action, under the action's own name", () => {
    const last = only.steps.at(-1) ?? expect.fail("no step");
    expectGoodStep(last);
    const own = ["environment", "runs-on", "action-repository", "action-ref"];
    const handed = Object.entries(last.with ?? {}).filter(([, value]) => /\binputs\./.test(String(value)));
    expect(handed.map(([to]) => to).sort()).toEqual(
      Object.keys(inputs)
        .filter((each) => !own.includes(each))
        .sort(),
    );
    for (const [to, value] of handed) expect(value).toBe(`\${{ inputs.${to} }}`);
    const used = [...text.matchAll(/secrets\.([A-Z_]+) \|\| 'unset'/g)].map(([, secret]) => secret);
    expect(used.sort()).toEqual(Object.keys(secrets).sort());
  });

  it("leaves out what the caller leaves out", () => {
    for (const [to, { type, default: value, required }] of Object.entries(inputs)) {
      if (required || !(to in action.inputs)) continue;
      expect(value, to).toBe(type === "boolean" ? false : "unset");
    }
  });

  it("asks for no permission, so that it has those of the calling job, and has an environment as gate", () => {
    expect(parse(text)).not.toHaveProperty("permissions");
    expect(only.permissions).toBeUndefined();
    expect(only.environment).toBe(`\${{ inputs.environment }}`);
  });

  it("runs the action of its own commit, and others by commit only", () => {
    const [checkout, ...others] = only.steps.filter(({ uses }) => uses !== undefined);
    expect(checkout?.uses).toMatch(/^actions\/checkout@[0-9a-f]{40}$/);
    expect(checkout?.with).toMatchObject({
      repository: `\${{ job.workflow_repository || inputs.action-repository }}`,
      ref: `\${{ job.workflow_sha || inputs.action-ref }}`,
      "persist-credentials": false,
    });
    expect(others.map(({ uses }) => uses)).toEqual(["./.countersign"]);
  });

  it("pastes nothing into a shell", () => {
    for (const { run = "" } of only.steps) expect(run).not.toContain("${{");
  });
});

describe("the workflows of docs/github.md", () => {
  const page = readFileSync(`${root}docs/github.md`, "utf8");
  const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, text = ""]) => text);
  const documents = blocks.map((text) =>
    z.union([z.object({ jobs: z.record(z.string(), job) }), z.array(step)]).parse(parse(text)),
  );

  it("are there", () => {
    expect(blocks.length).toBeGreaterThanOrEqual(3);
  });

  it("use the action with inputs that its commands take", () => {
    const steps = documents.flatMap((each) =>
      Array.isArray(each) ? each : Object.values(each.jobs).flatMap((one) => one.steps),
    );
    const ours = steps.filter(({ uses }) => uses?.startsWith("OWNER/countersign"));
    expect(ours.length).toBeGreaterThanOrEqual(3);
    ours.forEach(expectGoodStep);
  });

  it("call the reusable workflows with inputs and secrets that those declare", () => {
    const jobs = documents.flatMap((each) => (Array.isArray(each) ? [] : Object.values(each.jobs)));
    const calls = jobs.filter(({ uses }) => uses !== undefined);
    expect(calls.length).toBeGreaterThanOrEqual(2);
    for (const { uses = "", with: given = {}, secrets = {}, permissions } of calls) {
      const file = /^OWNER\/countersign\/(\.github\/workflows\/\w+\.yml)@COMMIT$/.exec(uses)?.[1] ?? "";
      const { inputs, secrets: known } = reusable.parse(parse(readFileSync(root + file, "utf8"))).on.workflow_call;
      expect(Object.keys(inputs)).toEqual(expect.arrayContaining(Object.keys(given)));
      expect(Object.keys(known)).toEqual(expect.arrayContaining(Object.keys(secrets)));
      for (const [name, { required }] of Object.entries(inputs)) if (required) expect(given).toHaveProperty(name);
      expect(permissions).toMatchObject({ contents: "read" });
    }
  });

  it("give every job its own permissions, and pin what they use", () => {
    for (const each of documents) {
      if (Array.isArray(each)) continue;
      for (const one of Object.values(each.jobs)) {
        expect(one.permissions).toBeDefined();
        for (const { uses = "x@COMMIT" } of one.steps) expect(uses).toMatch(/@COMMIT$/);
      }
    }
  });
});
