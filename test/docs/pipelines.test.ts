import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { root, TEMPLATES } from "../gitlab/support/templates.ts";

// What users copy: each YAML of the documentation reads, and what it gives to a GitLab template the template has.

const includeSchema = z.looseObject({
  component: z.string().optional(),
  file: z.string().optional(),
  remote: z.string().optional(),
  local: z.string().optional(),
  inputs: z.record(z.string(), z.unknown()),
});
type Include = z.infer<typeof includeSchema>;

const blocks = readdirSync(path.join(root, "docs"))
  .filter((name) => name.endsWith(".md"))
  .flatMap((name) => {
    const text = readFileSync(path.join(root, "docs", name), "utf8");
    return [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, yaml = ""], index) => ({
      name,
      index: index + 1,
      yaml,
    }));
  });

function includesOf(yaml: string): readonly Include[] {
  const found = z.looseObject({ include: z.array(includeSchema).optional() }).safeParse(parse(yaml, { merge: true }));
  return found.data?.include ?? [];
}

function templateOf({ component, file, remote, local }: Include) {
  const name =
    component === undefined ? path.basename(file ?? remote ?? local ?? "") : /([^/@]+)@/.exec(component)?.[1];
  const found = TEMPLATES.find(
    (template) => path.basename(template.file) === (component === undefined ? name : `${name}.yml`),
  );
  if (found === undefined) throw new Error(`no template is called ${name}`);
  return found;
}

describe("pipelines of the documentation", () => {
  it("include templates", () => {
    expect(blocks.flatMap(({ yaml }) => includesOf(yaml)).length).toBeGreaterThan(10);
  });

  it.each(blocks)("$name, YAML $index: is YAML, and gives templates only inputs that they have", ({ yaml }) => {
    parse(yaml, { merge: true });
    for (const include of includesOf(yaml)) {
      const { inputs } = templateOf(include);
      for (const [input, value] of Object.entries(include.inputs)) {
        expect(Object.keys(inputs)).toContain(input);
        const { type, regex } = inputs[input] ?? {};
        expect(Array.isArray(value) ? "array" : typeof value, input).toBe(type);
        if (regex !== undefined) expect(value, input).toMatch(new RegExp(regex));
      }
      const mandatory = Object.keys(inputs).filter((input) => inputs[input]?.default === undefined);
      expect(Object.keys(include.inputs)).toEqual(expect.arrayContaining(mandatory));
    }
  });
});
