import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { documents } from "../policies/containers/support/documents.ts";
import { type Answer, askImagePolicy } from "./support/image-policy.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "containers-policy-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(index: number): string {
  const file = path.join(folder, `${index}.json`);
  writeFileSync(file, documents[index]?.text ?? "");
  return file;
}

describeWithPeer("image-policy", "which documents containers/image 5.39 takes as a policy.json", () => {
  let answers: readonly Answer[];
  beforeAll(() => {
    answers = askImagePolicy(documents.map((_, index) => ({ policy: written(index) })));
  });
  for (const [index, { title, taken }] of documents.entries()) {
    it(`${taken ? "takes" : "refuses"} ${title}`, () =>
      expect(answers[index]?.parsed, answers[index]?.error).toBe(taken));
  }
});

describeWithPeer("skopeo", "which documents Debian 12's skopeo takes as a policy.json", () => {
  for (const [index, { title, debian12 }] of documents.entries()) {
    it(`${debian12 ? "takes" : "refuses"} ${title}`, () => {
      const argv = ["--policy", written(index), "copy", "dir:/nonexistent/a", `dir:${folder}/b`];
      const { stderr } = spawnSync(requirePeer("skopeo"), argv, { encoding: "utf8" });
      expect(/loading trust policy/i.test(stderr), stderr).toBe(!debian12);
    });
  }
});
