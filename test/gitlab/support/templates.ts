/** The GitLab templates as a reader of YAML sees them, and their scripts as a runner's shell runs them. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { type Completed, run } from "../../interop/support/run.ts";

export const root = fileURLToPath(new URL("../../../", import.meta.url));

const inputSchema = z.strictObject({
  description: z.string().min(10),
  type: z.enum(["string", "boolean", "array"]),
  default: z.union([z.string(), z.boolean(), z.array(z.unknown())]).optional(),
  regex: z.string().optional(),
});

const headerSchema = z.strictObject({
  spec: z.strictObject({ component: z.array(z.string()).optional(), inputs: z.record(z.string(), inputSchema) }),
});

const jobSchema = z.looseObject({
  stage: z.string(),
  variables: z.record(z.string(), z.string()),
  script: z.tuple([z.string()]),
  retry: z.unknown(),
  artifacts: z.unknown(),
});

export interface Template {
  /** From the repository's root. */
  readonly file: string;
  readonly text: string;
  readonly component: readonly string[];
  readonly inputs: z.infer<typeof headerSchema>["spec"]["inputs"];
  /** By name, inputs not filled in. */
  readonly jobs: Readonly<Record<string, z.infer<typeof jobSchema>>>;
}

export function readTemplate(file: string): Template {
  const text = readFileSync(path.join(root, file), "utf8");
  const [header, content, ...more] = parseAllDocuments(text).map((document) => {
    if (!("toJS" in document) || document.errors.length > 0) throw new Error(`${file} is no YAML`);
    return document.toJS() as unknown;
  });
  if (more.length > 0) throw new Error(`${file} holds more than a header and a body`);
  const { spec } = headerSchema.parse(header);
  const jobs = z.record(z.string(), jobSchema).parse(content);
  return { file, text, component: spec.component ?? [], inputs: spec.inputs, jobs };
}

/** All that are shipped, components behind the files for include. */
export const TEMPLATES: readonly Template[] = ["gitlab", "templates"]
  .flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => path.join(folder, name)))
  .filter((file) => file.endsWith(".yml"))
  .map(readTemplate);

/** The one job of a template. */
export function jobOf(template: Template): z.infer<typeof jobSchema> {
  const [job, ...more] = Object.values(template.jobs);
  if (job === undefined || more.length > 0) throw new Error(`${template.file} has not one job`);
  return job;
}

/** The variable that carries an input into the job. */
export function variableOf(input: string): string {
  return `COUNTERSIGN_INPUT_${input.toUpperCase().replaceAll("-", "_")}`;
}

export interface ScriptRun {
  readonly verb: string;
  readonly inputs: Readonly<Record<string, string>>;
  /** Beside PATH, HOME and the inputs. */
  readonly env?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly cwd: string;
}

/** Runs the script of a template by /bin/sh, as a runner does in an image without bash. */
export function runScript({ verb, inputs, env = {}, path: search, cwd }: ScriptRun): Promise<Completed> {
  const [script] = jobOf(readTemplate(`gitlab/${verb}.gitlab-ci.yml`)).script;
  const variables = Object.entries(inputs).map(([input, value]) => [variableOf(input), value]);
  return run("/bin/sh", ["-eu"], {
    cwd,
    stdin: script,
    env: {
      PATH: search ?? `${path.dirname(process.execPath)}:/usr/bin:/bin`,
      HOME: cwd,
      COUNTERSIGN_INPUT_REPORTS: `countersign-reports/countersign-${verb}`,
      ...Object.fromEntries(variables),
      ...env,
    },
  });
}
