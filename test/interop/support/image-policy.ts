import { spawnSync } from "node:child_process";
import { requirePeer } from "./peers.ts";

/** What the peer image-policy is asked: containers/image's own judgement of an image by a policy, or of the policy alone. */
export interface Question {
  readonly policy: string;
  /** `docker://HOST/NAME:TAG`; absent: only whether the policy is taken. */
  readonly image?: string;
  readonly registriesD?: string;
  /** A manifest of an index. */
  readonly instance?: string;
}

export interface Answer {
  readonly parsed: boolean;
  readonly allowed: boolean;
  readonly error?: string;
}

/** All answers, in the order of the questions. */
export function askImagePolicy(questions: readonly Question[]): readonly Answer[] {
  const input = questions.map((question) => `${JSON.stringify(question)}\n`).join("");
  const { status, stdout, stderr } = spawnSync(requirePeer("image-policy"), {
    input,
    encoding: "utf8",
    timeout: 120_000,
  });
  if (status !== 0) throw new Error(`image-policy ended with ${status}: ${stderr}`);
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
  if (answers.length !== questions.length) throw new Error(`image-policy gave ${answers.length} answers: ${stderr}`);
  return answers;
}
