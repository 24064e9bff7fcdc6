import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { root } from "../gitlab/support/templates.ts";
import { countersignProgram } from "../support/countersign.ts";
import { type DockerRegistry, startDockerRegistry } from "./support/docker-registry.ts";
import { type Instance, type Pipeline, type PipelineRun, runPipeline, startInstance } from "./support/gitlab.ts";
import { type PushedImage, pushImage } from "./support/image.ts";
import { describeWithPeer } from "./support/peers.ts";
import { generateKey } from "./support/pki.ts";
import { run } from "./support/run.ts";

// Whole pipelines, read and run by gitlab-ci-local: what GitLab would make of an include, up to the jobs' own exit status.

describeWithPeer(["gitlab-ci-local", "rsync", "docker-registry"], "GitLab pipelines", () => {
  let instance: Instance;
  let registry: DockerRegistry;
  let image: PushedImage;
  let hash: string;
  const key = generateKey("p256");
  const keys = { SIGNING_KEY: { file: key.privatePem }, RELEASE_PUB: Buffer.from(key.publicPem).toString("base64") };

  beforeAll(async () => {
    [instance, registry] = await Promise.all([startInstance(), startDockerRegistry()]);
    image = await pushImage(registry.host, "app", "pipeline", "1");
    const tar = [
      "-czf",
      path.join(instance.home, "countersign.tar.gz"),
      "-C",
      path.dirname(path.dirname(countersignProgram())),
      "dist",
    ];
    const packed = await run("/usr/bin/tar", tar, { env: { PATH: "/usr/bin:/bin" } });
    if (packed.exitCode !== 0) throw new Error(packed.stderr);
    const bytes = readFileSync(path.join(instance.home, "countersign.tar.gz"));
    hash = createHash("sha256").update(bytes).digest("hex");
    instance.files.set("countersign.tar.gz", bytes);
    instance.files.set("verify.gitlab-ci.yml", readFileSync(path.join(root, "gitlab", "verify.gitlab-ci.yml")));
  });
  afterAll(() => Promise.all([instance?.close(), registry?.stop()]));

  const component = (name: string, inputs: object) => ({
    component: `$CI_SERVER_FQDN/${instance.project}/${name}@${instance.commit}`,
    inputs: { program: `project:${instance.project}`, ...inputs },
  });
  const included = (name: string, inputs: object) => ({
    project: instance.project,
    ref: instance.commit,
    file: `gitlab/${name}.gitlab-ci.yml`,
    inputs: { program: `${instance.origin}/countersign.tar.gz#sha256=${hash}`, ...inputs },
  });
  const local = (name: string, inputs: object) => ({
    local: `gitlab/${name}.gitlab-ci.yml`,
    inputs: { program: `path:${countersignProgram()}`, ...inputs },
  });
  /** What a project that includes by path has copied. */
  const copies = () =>
    Object.fromEntries(
      ["sign", "verify", "promote", "payload", "attach"].map((name) => [
        `gitlab/${name}.gitlab-ci.yml`,
        readFileSync(path.join(root, "gitlab", `${name}.gitlab-ci.yml`), "utf8"),
      ]),
    );

  describe("that build, sign and verify", () => {
    let done: PipelineRun;

    beforeAll(async () => {
      const configuration = {
        stages: ["build", "sign", "verify", "deploy"],
        include: [
          component("sign", {
            stage: "sign",
            images: `${registry.host}/app@$DIGEST`,
            "key-variable": "SIGNING_KEY",
            format: "cosign,bundle",
          }),
          included("verify", { stage: "verify", images: `${registry.host}/app@$DIGEST`, key: "env://RELEASE_PUB" }),
          {
            remote: `${instance.origin}/verify.gitlab-ci.yml`,
            inputs: {
              program: `path:${countersignProgram()}`,
              "job-prefix": "again-",
              stage: "verify",
              "images-file": "images.txt",
              key: "env://RELEASE_PUB",
            },
          },
        ],
        build: {
          stage: "build",
          script: [`echo "DIGEST=${image.digest}" > build.env`, `echo "${image.reference}" > images.txt`],
          artifacts: { paths: ["images.txt"], reports: { dotenv: "build.env" } },
        },
        deploy: { stage: "deploy", script: ['echo "deploying $COUNTERSIGN_REFERENCE, $COUNTERSIGN_VERDICT"'] },
      };
      done = await runPipeline(instance, { configuration, variables: keys });
    });

    it("end well, whether by component, by project or by address", () => {
      expect(done.jobs, done.log).toEqual({
        build: 0,
        "countersign-sign": 0,
        "countersign-verify": 0,
        "again-verify": 0,
        deploy: 0,
      });
      expect(done.exitCode).toBe(0);
    });

    it("sign what the build job handed over, by a key of type file whose path alone is shown", () => {
      expect(done.logOf("countersign-sign")).toContain(`-- ${image.reference}`);
      expect(done.logOf("countersign-sign")).toMatch(/--key \/\S+SIGNING_KEY/);
      expect(done.log).not.toContain("PRIVATE KEY");
      const report: unknown = JSON.parse(
        done.artifact("countersign-sign", "countersign-reports/countersign-sign.json"),
      );
      expect(report).toMatchObject({ operation: "sign", images: [{ digest: image.digest }] });
    });

    it("keep the verdict as an artifact", () => {
      const report: unknown = JSON.parse(done.artifact("again-verify", "countersign-reports/again-verify.json"));
      expect(report).toMatchObject({ operation: "verify", verdict: "trusted" });
    });

    it("tell the jobs that follow what was verified", () => {
      expect(done.logOf("deploy")).toBe(`deploying ${image.reference}, trusted`);
    });

    it("keep JUnit for the merge request's widget", () => {
      const suite = done.artifact("countersign-verify", "countersign-reports/countersign-verify.xml");
      expect(suite).toMatch(/<testsuites?[^>]* tests="1" failures="0" errors="0"/);
      expect(suite).toContain(image.digest);
    });

    it("leave the registry with signatures in both formats", async () => {
      const tags = await fetch(`http://${registry.host}/v2/app/tags/list`).then(
        (response) => response.json() as unknown,
      );
      const stem = image.digest.replace(":", "-");
      expect(tags).toMatchObject({ tags: expect.arrayContaining([stem, `${stem}.sig`]) });
    });
  });

  describe("that promote", () => {
    let done: PipelineRun;
    let unsigned: PushedImage;

    beforeAll(async () => {
      const signed = await pushImage(registry.host, "promoted", "p", "1");
      unsigned = await pushImage(registry.host, "promoted", "unsigned", "2");
      const promote = (prefix: string, inputs: object) =>
        component("promote", { "job-prefix": prefix, stage: "promote", key: "env://RELEASE_PUB", ...inputs });
      const staging = `${registry.host}/staging/app`;
      const configuration = {
        stages: ["sign", "promote", "deploy"],
        include: [
          component("sign", { stage: "sign", images: signed.reference, "key-variable": "SIGNING_KEY" }),
          promote("staging-", {
            environment: "staging",
            images: `${signed.reference} ${staging}:1\n${signed.reference} ${staging}:latest`,
          }),
          promote("plan-", {
            environment: "production",
            images: `${signed.reference} ${registry.host}/production/app:1`,
            "dry-run": true,
          }),
          promote("unsigned-", { environment: "staging", images: `${unsigned.reference} ${staging}:2` }),
        ],
        "unsigned-promote": { allow_failure: true },
        deploy: { stage: "deploy", needs: ["staging-promote"], script: ['echo "deploying $COUNTERSIGN_REFERENCE"'] },
      };
      done = await runPipeline(instance, { configuration, variables: keys });
    });

    const tagsOf = (repository: string): Promise<unknown> =>
      fetch(`http://${registry.host}/v2/${repository}/tags/list`).then((response) => response.json() as unknown);

    it("move what verifies, with its signatures, and nothing else", async () => {
      const status = {
        "countersign-sign": 0,
        "staging-promote": 0,
        "plan-promote": 0,
        "unsigned-promote": 1,
        deploy: 0,
      };
      expect(done.jobs, done.log).toEqual(status);
      const signature = expect.stringMatching(/^sha256-[0-9a-f]{64}\.sig$/);
      expect(await tagsOf("staging/app")).toMatchObject({ tags: expect.arrayContaining(["1", "latest", signature]) });
      expect(await tagsOf("staging/app")).not.toMatchObject({ tags: expect.arrayContaining(["2"]) });
    });

    it("write nothing when only the plan is asked for", async () => {
      expect(await tagsOf("production/app")).not.toMatchObject({ tags: expect.anything() });
    });

    it("hand the promoted image over, by its digest at the destination", () => {
      expect(done.logOf("deploy")).toMatch(/^deploying 127\.0\.0\.1:\d+\/staging\/app@sha256:[0-9a-f]{64}$/);
    });
  });

  describe("that sign in two halves, with a key that no job of the templates has", () => {
    it("write the payload, attach what somebody signed, and verify it", async () => {
      const apart = await pushImage(registry.host, "apart", "a", "1");
      const configuration = {
        stages: ["payload", "elsewhere", "attach", "verify"],
        include: [
          local("payload", { stage: "payload", images: apart.reference, out: "out/payload.json" }),
          local("attach", {
            stage: "attach",
            images: apart.reference,
            payload: "out/payload.json",
            signature: "payload.sig",
            "public-key": "env://RELEASE_PUB",
          }),
          local("verify", { stage: "verify", images: apart.reference, key: "env://RELEASE_PUB" }),
        ],
        elsewhere: {
          stage: "elsewhere",
          script: ['openssl dgst -sha256 -sign "$SIGNING_KEY" -out payload.sig out/payload.json'],
          artifacts: { paths: ["payload.sig"] },
        },
      };
      const done = await runPipeline(instance, { configuration, files: copies(), variables: keys });
      const names = ["countersign-payload", "elsewhere", "countersign-attach", "countersign-verify"];
      expect(done.jobs, done.log).toEqual(Object.fromEntries(names.map((name) => [name, 0])));
    });
  });

  describe("whose jobs cannot end well", () => {
    let done: PipelineRun;
    let unsigned: PushedImage;
    const hostile = "$(touch pwned)\n`touch pwned`\n'; touch pwned; '\nEND_OF_JOB_MJS\ntouch pwned";

    beforeAll(async () => {
      unsigned = await pushImage(registry.host, "unsigned", "u", "1");
      const verify = (prefix: string, inputs: object) =>
        local("verify", { "job-prefix": prefix, key: "env://RELEASE_PUB", ...inputs });
      const sign = (prefix: string, inputs: object) =>
        local("sign", { "job-prefix": prefix, images: unsigned.reference, ...inputs });
      const configuration = {
        include: [
          verify("unsigned-", { images: unsigned.reference }),
          verify("unreachable-", { images: "127.0.0.1:1/app:1" }),
          verify("changed-", {
            images: image.reference,
            program: `${instance.origin}/countersign.tar.gz#sha256=${"0".repeat(64)}`,
          }),
          verify("hostile-", { images: hostile, "extra-args": hostile }),
          verify("unset-", { images: image.reference, "certificate-identity": "$NOT_SET" }),
          verify("flag-", { images: `--key=x\n${image.reference}` }),
          sign("empty-", { "key-variable": "EMPTY_KEY" }),
          sign("fork-", { "key-variable": "SIGNING_KEY" }),
          sign("hostile-", { "key-variable": "SIGNING_KEY", certificate: hostile }),
        ],
        // A job of an include is changed by naming it again.
        "fork-sign": {
          variables: {
            CI_PIPELINE_SOURCE: "merge_request_event",
            CI_MERGE_REQUEST_PROJECT_ID: "1217",
            CI_MERGE_REQUEST_SOURCE_PROJECT_ID: "99",
          },
        },
      };
      done = await runPipeline(instance, { configuration, files: copies(), variables: { ...keys, EMPTY_KEY: "" } });
    });

    it("fail, each with the program's own status", () => {
      expect(done.exitCode).toBe(1);
      expect(done.jobs, done.log).toEqual({
        "unsigned-verify": 1,
        "unreachable-verify": 3,
        "changed-verify": 1,
        "hostile-verify": 2,
        "unset-verify": 2,
        "flag-verify": 2,
        "empty-sign": 2,
        "fork-sign": 2,
        "hostile-sign": 2,
      });
    });

    it("say why", () => {
      const why: Readonly<Record<string, RegExp>> = {
        "unsigned-verify": /unsigned/,
        "unreachable-verify": /E_NETWORK/,
        "changed-verify": new RegExp(
          `E_DIGEST_MISMATCH.*wanted sha256=0{64}, got sha256=${hash}; nothing of it was run`,
        ),
        "unset-verify": /the input certificate-identity is empty/,
        "flag-verify": /E_REFERENCE_INVALID/,
        "empty-sign": /E_ENVIRONMENT_EMPTY: the variable EMPTY_KEY[\s\S]*is the ref protected\?.*main is not protected/,
        "fork-sign": /E_EVENT_UNTRUSTED/,
      };
      for (const [job, words] of Object.entries(why)) expect(done.logOf(job), job).toMatch(words);
    });

    it("run nothing that an input says", () => {
      expect(existsSync(path.join(done.folder, "pwned"))).toBe(false);
    });

    it("sign nothing", async () => {
      const tags = await fetch(`http://${registry.host}/v2/unsigned/tags/list`).then(
        (response) => response.json() as unknown,
      );
      expect(tags).toMatchObject({ tags: ["1"] });
    });

    it("keep their reports all the same", () => {
      const report = (job: string): unknown => JSON.parse(done.artifact(job, `countersign-reports/${job}.json`));
      expect(report("unsigned-verify")).toMatchObject({ verdict: "unsigned" });
      expect(report("unreachable-verify")).toMatchObject({ verdict: "undetermined" });
      const suite = (job: string) => done.artifact(job, `countersign-reports/${job}.xml`);
      expect(suite("unsigned-verify")).toContain("<failure");
      expect(suite("unreachable-verify")).toContain("<error");
    });
  });

  describe("of docs/gitlab.md", () => {
    it("are what GitLab's schema and the templates' inputs allow: and make the jobs that the page promises", async () => {
      const page = readFileSync(path.join(root, "docs", "gitlab.md"), "utf8");
      const [text = ""] = /(?<=```yaml\n)stages:[\s\S]*?(?=```)/.exec(page) ?? [];
      const configuration: unknown = parse(text.replaceAll("COMMIT", instance.commit), { merge: true });
      if (typeof configuration !== "object" || configuration === null) throw new Error("the page has no pipeline");
      const done = await runPipeline(instance, { configuration }, ["--list-all"]);
      expect(done.exitCode, done.log).toBe(0);
      const jobs = ["build", "countersign-sign", "countersign-verify", "staging-promote", "production-promote"];
      for (const job of jobs) expect(done.log).toMatch(new RegExp(`^${job} `, "m"));
    });
  });

  describe("with inputs of the wrong kind", () => {
    it.each<[string, string, object]>([
      ["a boolean that is a text", "sign", { recursive: "yes" }],
      ["a variable's name that is none", "sign", { "key-variable": "$SIGNING_KEY" }],
      ["a program of no known source", "verify", { program: "ftp://mirror.example.test/x" }],
      ["a prefix that would reach into a path", "verify", { "job-prefix": "../x" }],
      ["rules that are no list", "verify", { rules: "always" }],
      ["a format that is no word", "sign", { format: "cosign; touch pwned" }],
    ])("are refused before a job runs: %s", async (_, name, inputs) => {
      const pipeline: Pipeline = {
        configuration: { include: [local(name, { images: "a", ...inputs })] },
        files: copies(),
      };
      const done = await runPipeline(instance, pipeline, ["--list"]);
      expect(done.exitCode).toBe(1);
      expect(done.log).toMatch(/This GitLab CI configuration is invalid/);
      expect(done.jobs).toEqual({});
    });

    it("are refused when where the program comes from is not said", async () => {
      const include = [{ local: "gitlab/sign.gitlab-ci.yml", inputs: { images: "a" } }];
      const done = await runPipeline(instance, { configuration: { include }, files: copies() }, ["--list"]);
      expect(done).toMatchObject({
        exitCode: 1,
        log: expect.stringMatching(/program.* input: required value has not been provided/),
      });
    });
  });
});
